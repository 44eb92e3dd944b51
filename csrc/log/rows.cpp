#include "log/rows.h"

#include <array>
#include <bit>
#include <span>

#include "entropy/binary_coder.h"
#include "entropy/cpu.h"
#include "entropy/log2_fixed.h"
#include "log/row_model.h"
#include "log/varint.h"

namespace laconic::logs {

namespace {

// What a column's values would cost by each method, roughly: numbers as texts pay for their dictionary and then for choosing from
// it; differences pay for the entropy of their widths and for the bits below the first.
class ColumnSurvey {
public:
    ColumnSurvey() : seen_(kSeen) {}

    void add(uint32_t column, uint8_t cls, uint64_t value, const uint8_t *text, size_t size, bool has_neighbour,
             uint64_t neighbour) {
        if (column >= columns_.size()) columns_.resize(column + 1);
        Counts &c = columns_[column];
        if (c.values++) {
            c.constant = c.constant && value == c.last;
        }
        if (c.last_text && value != c.last) {
            for (size_t k = 0; k < size && k < c.last_size; ++k) c.alike += text[k] == c.last_text[k];
            c.characters += size;
        }
        c.last_text = text;
        c.last_size = size;
        if (is_number(cls)) {
            count(c.step, value - c.last);
            count(c.neighbour, value - (has_neighbour ? neighbour : c.last));
        }
        uint16_t &times = seen_[mix(column, value) & (kSeen - 1)];
        c.text += log2_(c.values + 1);
        if (times) {
            c.text -= log2_(times);
            ++c.repeats;
        } else {
            c.text += uint64_t{7} * std::bit_width(value) << (entropy::kLogBits - 3);
        }
        if (times < 65535) ++times;
        c.last = value;
    }

    Plan best(uint32_t column, uint8_t cls) const {
        const Counts &c = columns_[column];
        const bool repeats = 2 * c.repeats >= c.values;
        if (c.constant && c.values > 1) return {Method::constant, false};
        if (!is_number(cls)) {
            const bool random =
                (cls == kDigits || cls == kMixed || cls == kUuid) && c.values >= kMinNoise && 8 * c.alike < c.characters;
            return {random && !repeats ? Method::noise : Method::text, repeats};
        }
        const uint64_t step = cost(c.step, c.values), neighbour = cost(c.neighbour, c.values);
        if (cls == kInteger && c.text <= step && c.text <= neighbour) return {Method::text, repeats};
        return {neighbour < step ? Method::neighbour : Method::step, cls == kInteger && repeats};
    }

private:
    static constexpr size_t kSeen = size_t{1} << 21;
    static constexpr uint32_t kMinNoise = 500;  // values, before a column may count as noise
    struct Widths {
        std::array<uint32_t, 130> counts{};
        uint64_t below = 0;
    };
    struct Counts {
        uint64_t last = 0, text = 0;
        uint32_t values = 0, repeats = 0;
        const uint8_t *last_text = nullptr;
        size_t last_size = 0, characters = 0, alike = 0;  // characters that stand under an equal one
        bool constant = true;
        Widths step, neighbour;
    };

    static void count(Widths &w, uint64_t delta) {
        const bool negative = delta >> 63;
        const auto width = static_cast<unsigned>(std::bit_width(negative ? 0 - delta : delta));
        ++w.counts[2 * width + negative];
        w.below += width > 1 ? width - 1 : 0;
    }
    uint64_t cost(const Widths &w, uint32_t n) const {
        uint64_t bits = w.below << entropy::kLogBits;
        for (const uint32_t c : w.counts)
            if (c) bits += static_cast<uint64_t>(c) * (log2_(n) - log2_(c)) + (uint64_t{4} << entropy::kLogBits);
        return bits;
    }

    entropy::Log2Fixed log2_;
    std::vector<uint16_t> seen_;
    std::vector<Counts> columns_;
};

std::vector<Plan> choose_plans(const uint8_t *raw, const ParsedLog &log) {
    ColumnSurvey survey;
    const TemplateSet &set = log.templates;
    for (size_t line = 0; line < log.lines(); ++line) {
        const Slot *slot = log.slots.data() + log.line_slots[line];
        bool has_number = false;
        uint64_t number = 0;
        for (const Part &part : set.of(log.line_template[line])) {
            if (part.column == kNoColumn) break;
            const uint8_t cls = slot->cls;
            const uint64_t value =
                is_number(cls) ? read_number(cls, raw + slot->start, slot->length) : hash_bytes(raw + slot->start, slot->length);
            survey.add(part.column, cls, value, raw + slot->start, slot->length, has_number, number);
            if (is_number(cls)) {
                has_number = true;
                number = value;
            }
            ++slot;
        }
    }
    std::vector<Plan> plans(set.columns.size());
    for (uint32_t k = 0; k < plans.size(); ++k) plans[k] = survey.best(k, set.columns[k].cls);
    return plans;
}

template <class Votes>
std::vector<uint8_t> encode_with(const uint8_t *raw, size_t size, const ParsedLog &log) {
    std::vector<uint8_t> out;
    put_varint(out, log.templates.text.size());
    put_varint(out, log.lines() << 1 | (log.final_newline ? 1 : 0));
    BinaryEncoder coder;
    RowModel<BinaryEncoder, Votes> model(coder, raw, size);
    std::vector<uint8_t> text = log.templates.text;
    model.templates(text, text.size());
    model.plans(log.templates, choose_plans(raw, log));
    for (size_t k = 0; k < log.lines(); ++k) {
        model.line(log.templates, log.line_template[k], log.slots.data() + log.line_slots[k]);
        if (k + 1 < log.lines() || log.final_newline) model.newline();
    }
    const std::vector<uint8_t> coded = coder.finish();
    out.insert(out.end(), coded.begin(), coded.end());
    return out;
}

template <class Votes>
void decode_with(const uint8_t *data, size_t data_size, uint8_t *out, size_t size) {
    std::span<const uint8_t> in(data, data_size);
    const uint64_t template_bytes = get_varint(in);
    const uint64_t lines_and_end = get_varint(in);
    const uint64_t lines = lines_and_end >> 1;
    require(template_bytes <= max_template_bytes(size), "log templates of more bytes than the frame can need");
    require(lines <= size, "more log lines than bytes");
    BinaryDecoder coder(in);
    RowModel<BinaryDecoder, Votes> model(coder, out, size);
    std::vector<uint8_t> text;
    model.templates(text, template_bytes);
    const TemplateSet set = read_templates(std::move(text), max_columns(size));
    require(set.count() != 0 || lines == 0, "log lines without templates");
    model.plans(set, {});
    for (uint64_t k = 0; k < lines; ++k) {
        model.line(set, 0, nullptr);
        if (k + 1 < lines || (lines_and_end & 1)) model.newline();
    }
    require(model.position() == size, "log lines hold less than the frame");
    coder.finish();
}

#if defined(LACONIC_X86)
// `flatten` inlines the whole model, so that all of it is compiled for AVX2 and no AVX2 code has a name that others could link
// to.
[[gnu::target("avx2,bmi,bmi2,lzcnt"), gnu::flatten]] std::vector<uint8_t> encode_avx2(const uint8_t *raw, size_t size,
                                                                                      const ParsedLog &log) {
    return encode_with<Avx2Votes>(raw, size, log);
}

[[gnu::target("avx2,bmi,bmi2,lzcnt"), gnu::flatten]] void decode_avx2(const uint8_t *data, size_t data_size, uint8_t *out,
                                                                      size_t size) {
    decode_with<Avx2Votes>(data, data_size, out, size);
}
#endif

}  // namespace

std::vector<uint8_t> encode_rows(const uint8_t *raw, size_t size, const ParsedLog &log) {
#if defined(LACONIC_X86)
    if (active_isa() != Isa::scalar) return encode_avx2(raw, size, log);
#endif
    return encode_with<ScalarVotes>(raw, size, log);
}

void decode_rows(const uint8_t *data, size_t data_size, uint8_t *out, size_t size) {
#if defined(LACONIC_X86)
    if (active_isa() != Isa::scalar) return decode_avx2(data, data_size, out, size);
#endif
    decode_with<ScalarVotes>(data, data_size, out, size);
}

}  // namespace laconic::logs
