#include "log/columns.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "entropy/error.h"
#include "entropy/log2_fixed.h"
#include "log/hash.h"
#include "log/varint.h"

namespace laconic::logs {

namespace {

// How a column's values are kept; the low four bits of its entry in the head, the rest is a parameter.
enum class Form : uint8_t {
    constant,    // once
    each,        // texts one by one, or numbers in planes of `parameter` bytes
    step,        // numbers: zigzag differences from the one before
    step_twice,  // numbers: differences of those
    dictionary,  // the `parameter` different values as in `each`, then places in that list: low bytes, then high bytes
};

constexpr size_t kMaxDictionary = 65536;

void require(bool condition, const char *what) {
    if (!condition) throw CorruptData(what);
}

// A text's place in a buffer, as one number.
uint64_t place(size_t start, size_t size) { return static_cast<uint64_t>(start) << 32 | size; }
size_t start_of(uint64_t p) { return p >> 32; }
size_t size_of(uint64_t p) { return p & 0xffffffffu; }

uint64_t zigzag(uint64_t delta) { return delta << 1 ^ (0 - (delta >> 63)); }
uint64_t unzigzag(uint64_t z) { return z >> 1 ^ (0 - (z & 1)); }

void to_steps(std::vector<uint64_t> &values) {
    uint64_t last = 0;
    for (uint64_t &v : values) {
        const uint64_t step = zigzag(v - last);
        last = v;
        v = step;
    }
}

void from_steps(std::span<uint64_t> values) {
    uint64_t last = 0;
    for (uint64_t &v : values) v = last += unzigzag(v);
}

unsigned width_of(std::span<const uint64_t> values) {
    uint64_t all = 0;
    for (const uint64_t v : values) all |= v;
    return std::max(1u, (static_cast<unsigned>(std::bit_width(all)) + 7) / 8);
}

void put_planes(std::span<const uint64_t> values, unsigned width, std::vector<uint8_t> &out) {
    size_t at = out.size();
    out.resize(at + values.size() * width);
    for (unsigned plane = width; plane-- > 0;)
        for (const uint64_t v : values) out[at++] = static_cast<uint8_t>(v >> 8 * plane);
}

std::span<const uint8_t> take(std::span<const uint8_t> &in, size_t size) {
    require(size <= in.size(), "a log stream ends too early");
    const auto taken = in.first(size);
    in = in.subspan(size);
    return taken;
}

void get_planes(std::span<const uint8_t> &in, unsigned width, std::span<uint64_t> values) {
    const uint8_t *p = take(in, values.size() * width).data();
    for (uint64_t &v : values) v = *p++;
    for (unsigned plane = 1; plane < width; ++plane)
        for (uint64_t &v : values) v = v << 8 | *p++;
}

// Bits that planes of these numbers cost by their bytes' entropies, in 2^-24.
class PlaneCost {
public:
    uint64_t operator()(std::span<const uint64_t> values) const {
        uint64_t cost = 0;
        const auto n = static_cast<uint32_t>(values.size());
        for (unsigned plane = 0; plane < width_of(values); ++plane) {
            uint32_t counts[256] = {};
            for (const uint64_t v : values) ++counts[static_cast<uint8_t>(v >> 8 * plane)];
            uint64_t used = 0;
            for (const uint32_t c : counts)
                if (c) cost += static_cast<uint64_t>(c) * (log2_(n) - log2_(c)), ++used;
            cost += used << (entropy::kLogBits + 2);
        }
        return cost;
    }

private:
    entropy::Log2Fixed log2_;
};

// The different values of a column in the order of their first use, and each value's place among them.
class Dictionary {
public:
    // same(a, b) and hash(a) compare values. False: more than half of the values, or than kMaxDictionary, are different.
    template <class Hash, class Same>
    bool build(std::span<const uint64_t> values, Hash hash, Same same) {
        const size_t most = std::min(kMaxDictionary, values.size() / 2);
        size_t slots = 256;
        table_.assign(slots, 0);
        entries.clear();
        indices.clear();
        for (const uint64_t v : values) {
            size_t at = hash(v) & (slots - 1);
            while (table_[at] && !same(entries[table_[at] - 1], v)) at = (at + 1) & (slots - 1);
            if (table_[at] == 0) {
                if (entries.size() >= most) return false;
                entries.push_back(v);
                table_[at] = static_cast<uint32_t>(entries.size());
                indices.push_back(entries.size() - 1);
                if (2 * entries.size() > slots) {
                    slots *= 4;
                    table_.assign(slots, 0);
                    for (size_t k = 0; k < entries.size(); ++k) {
                        size_t to = hash(entries[k]) & (slots - 1);
                        while (table_[to]) to = (to + 1) & (slots - 1);
                        table_[to] = static_cast<uint32_t>(k + 1);
                    }
                }
            } else {
                indices.push_back(table_[at] - 1);
            }
        }
        return true;
    }

    std::vector<uint64_t> entries, indices;

private:
    std::vector<uint32_t> table_;
};

void put_form(std::vector<uint8_t> &head, Form form, uint64_t parameter) {
    put_varint(head, parameter << 4 | static_cast<uint64_t>(form));
}

class Splitter {
public:
    explicit Splitter(const uint8_t *raw) : raw_(raw) {}

    void texts(std::span<const uint64_t> values) {
        const auto same = [&](uint64_t a, uint64_t b) {
            return size_of(a) == size_of(b) && std::memcmp(raw_ + start_of(a), raw_ + start_of(b), size_of(a)) == 0;
        };
        if (all_same(values, same)) {
            put_form(streams[kHead], Form::constant, 0);
            put_texts(values.first(1));
        } else if (dictionary_.build(
                       values, [&](uint64_t v) { return mix(hash_bytes(raw_ + start_of(v), size_of(v))) >> 32; }, same)) {
            put_form(streams[kHead], Form::dictionary, dictionary_.entries.size());
            put_texts(dictionary_.entries);
            put_planes(dictionary_.indices, dictionary_.entries.size() > 256 ? 2 : 1, streams[kIndices]);
        } else {
            put_form(streams[kHead], Form::each, 0);
            put_texts(values);
        }
    }

    void numbers(std::span<const uint64_t> values) {
        const auto same = [](uint64_t a, uint64_t b) { return a == b; };
        if (all_same(values, same)) {
            put_form(streams[kHead], Form::constant, width_of(values.first(1)));
            put_planes(values.first(1), width_of(values.first(1)), streams[kNumbers]);
            return;
        }
        std::vector<uint64_t> steps(values.begin(), values.end());
        to_steps(steps);
        std::vector<uint64_t> twice = steps;
        for (uint64_t &v : twice) v = unzigzag(v);
        to_steps(twice);
        const uint64_t each_cost = cost_(values), step_cost = cost_(steps), twice_cost = cost_(twice);
        uint64_t best = std::min({each_cost, step_cost, twice_cost});
        if (dictionary_.build(values, [](uint64_t v) { return mix(v, 3) >> 20; }, same)) {
            const unsigned width = width_of(dictionary_.entries);
            const uint64_t cost = cost_(dictionary_.indices) + (8 * width * dictionary_.entries.size() << entropy::kLogBits);
            if (cost < best) {
                put_form(streams[kHead], Form::dictionary, dictionary_.entries.size() << 4 | width);
                put_planes(dictionary_.entries, width, streams[kNumbers]);
                put_planes(dictionary_.indices, dictionary_.entries.size() > 256 ? 2 : 1, streams[kIndices]);
                return;
            }
        }
        const std::span<const uint64_t> chosen = best == each_cost   ? values
                                                 : best == step_cost ? std::span<const uint64_t>(steps)
                                                                     : twice;
        const unsigned width = width_of(chosen);
        put_form(streams[kHead], best == each_cost ? Form::each : best == step_cost ? Form::step : Form::step_twice, width);
        put_planes(chosen, width, streams[kNumbers]);
    }

    Streams streams;

private:
    template <class Same>
    static bool all_same(std::span<const uint64_t> values, Same same) {
        return std::all_of(values.begin(), values.end(), [&](uint64_t v) { return same(v, values[0]); });
    }
    void put_texts(std::span<const uint64_t> values) {
        std::vector<uint8_t> &out = streams[kTexts];
        for (const uint64_t v : values) {
            out.insert(out.end(), raw_ + start_of(v), raw_ + start_of(v) + size_of(v));
            out.push_back('\n');
        }
    }

    const uint8_t *raw_;
    PlaneCost cost_;
    Dictionary dictionary_;
};

class Joiner {
public:
    explicit Joiner(const StreamViews &streams) : left_(streams), text_(streams[kTexts].data()) {}

    void texts(uint64_t entry, std::span<uint64_t> values) {
        const uint64_t parameter = entry >> 4;
        switch (static_cast<Form>(entry & 15)) {
            case Form::constant:
                get_texts(values.first(1));
                std::fill(values.begin(), values.end(), values[0]);
                break;
            case Form::each:
                get_texts(values);
                break;
            case Form::dictionary:
                start_dictionary(parameter, left_[kTexts].size());
                get_texts(entries_);
                look_up(values);
                break;
            default:
                throw CorruptData("a log column of texts has a form that is none");
        }
    }

    void numbers(uint64_t entry, std::span<uint64_t> values) {
        const uint64_t parameter = entry >> 4;
        const auto form = static_cast<Form>(entry & 15);
        const unsigned width = parameter & 15;
        require(width >= 1 && width <= 8, "log numbers have a width of 1 to 8 bytes");
        switch (form) {
            case Form::constant:
                get_planes(left_[kNumbers], width, values.first(1));
                std::fill(values.begin(), values.end(), values[0]);
                break;
            case Form::each:
            case Form::step:
            case Form::step_twice:
                get_planes(left_[kNumbers], width, values);
                if (form == Form::step_twice) {
                    from_steps(values);
                    for (uint64_t &v : values) v = zigzag(v);
                }
                if (form != Form::each) from_steps(values);
                break;
            case Form::dictionary:
                start_dictionary(parameter >> 4, left_[kNumbers].size());
                get_planes(left_[kNumbers], width, entries_);
                look_up(values);
                break;
            default:
                throw CorruptData("a log column of numbers has a form that is none");
        }
    }

    void finish() const {
        require(left_[kTexts].empty() && left_[kIndices].empty() && left_[kNumbers].empty(),
                "a log stream is longer than its columns");
    }

private:
    void start_dictionary(uint64_t size, size_t most) {
        require(size >= 1 && size <= kMaxDictionary && size <= most, "a log dictionary is larger than what holds it");
        entries_.resize(size);
    }
    void look_up(std::span<uint64_t> values) {
        get_planes(left_[kIndices], entries_.size() > 256 ? 2 : 1, values);
        for (uint64_t &v : values) {
            require(v < entries_.size(), "a log value lies outside its dictionary");
            v = entries_[v];
        }
    }
    void get_texts(std::span<uint64_t> values) {
        std::span<const uint8_t> &in = left_[kTexts];
        for (uint64_t &v : values) {
            const auto *newline = in.empty() ? nullptr : static_cast<const uint8_t *>(std::memchr(in.data(), '\n', in.size()));
            require(newline != nullptr && newline != in.data(), "a log text is empty or has no end");
            const auto size = static_cast<size_t>(newline - in.data());
            v = place(static_cast<size_t>(in.data() - text_), size);
            in = in.subspan(size + 1);
        }
    }

    StreamViews left_;
    const uint8_t *text_;
    std::vector<uint64_t> entries_;
};

// The values of column k are values[first[k], first[k + 1]).
std::vector<uint32_t> column_starts(const TemplateSet &set, std::span<const uint32_t> lines_of, size_t most) {
    std::vector<uint32_t> first(set.columns.size() + 1);
    uint64_t values = 0;
    for (size_t t = 0; t < set.count(); ++t) {
        const auto parts = set.of(t);
        values += static_cast<uint64_t>(lines_of[t]) * (parts.size() - 1);
        require(values <= most, "a log has more values than bytes");  // every value has at least one
        for (const Part &part : parts.first(parts.size() - 1)) first[part.column + 1] += lines_of[t];
    }
    for (size_t k = 1; k < first.size(); ++k) first[k] += first[k - 1];
    return first;
}

// Copies a few bytes; where there is room for 16, as one fixed copy.
inline uint8_t *copy(uint8_t *to, const uint8_t *to_end, const uint8_t *from, const uint8_t *from_end, size_t size) {
    if (size <= 16 && to_end - to >= 16 && from_end - from >= 16) {
        std::memcpy(to, from, 16);
    } else {
        std::memcpy(to, from, size);
    }
    return to + size;
}

}  // namespace

Streams split_columns(const uint8_t *raw, const ParsedLog &log) {
    const TemplateSet &set = log.templates;
    std::vector<uint32_t> lines_of(set.count());
    for (const uint32_t t : log.line_template) ++lines_of[t];
    const std::vector<uint32_t> first = column_starts(set, lines_of, SIZE_MAX);
    std::vector<uint32_t> next = first;
    std::vector<uint64_t> values(log.slots.size());
    const Slot *slot = log.slots.data();
    for (const uint32_t t : log.line_template)
        for (const Part &part : set.of(t)) {
            if (part.column == kNoColumn) break;
            values[next[part.column]++] =
                is_number(slot->cls) ? read_number(slot->cls, raw + slot->start, slot->length) : place(slot->start, slot->length);
            ++slot;
        }

    Splitter splitter(raw);
    put_varint(splitter.streams[kHead], log.lines() << 1 | (log.final_newline ? 1 : 0));
    for (size_t k = 0; k < set.columns.size(); ++k) {
        const auto column = std::span(values).subspan(first[k], first[k + 1] - first[k]);
        is_number(set.columns[k].cls) ? splitter.numbers(column) : splitter.texts(column);
    }
    Streams &streams = splitter.streams;
    streams[kTemplates] = set.text;
    const std::vector<uint64_t> ids(log.line_template.begin(), log.line_template.end());
    put_planes(ids, set.count() > 256 ? 2 : 1, streams[kIds]);
    return std::move(streams);
}

void join_columns(const StreamViews &streams, uint8_t *out, size_t size) {
    std::span<const uint8_t> head = streams[kHead];
    const uint64_t lines_and_end = get_varint(head);
    const uint64_t lines = lines_and_end >> 1;
    require(streams[kTemplates].size() <= max_template_bytes(size), "log templates of more bytes than the frame can need");
    const TemplateSet set = read_templates({streams[kTemplates].begin(), streams[kTemplates].end()}, max_columns(size));
    std::span<const uint8_t> id_planes = streams[kIds];
    const unsigned id_width = set.count() > 256 ? 2 : 1;
    require(id_planes.size() == lines * id_width && lines <= size, "a log has another number of lines than of template numbers");
    std::vector<uint64_t> ids(lines);
    get_planes(id_planes, id_width, ids);
    std::vector<uint32_t> lines_of(set.count());
    for (const uint64_t t : ids) {
        require(t < set.count(), "a log line has a template that does not exist");
        ++lines_of[t];
    }
    const std::vector<uint32_t> first = column_starts(set, lines_of, size);
    std::vector<uint64_t> values(first.back());
    Joiner joiner(streams);
    for (size_t k = 0; k < set.columns.size(); ++k) {
        const auto column = std::span(values).subspan(first[k], first[k + 1] - first[k]);
        require(!column.empty(), "a log column without values");
        is_number(set.columns[k].cls) ? joiner.numbers(get_varint(head), column) : joiner.texts(get_varint(head), column);
    }
    require(head.empty(), "a log has more columns than its templates");
    joiner.finish();

    std::vector<uint32_t> next = first;
    const uint8_t *const literals = set.text.data(), *const literals_end = literals + set.text.size();
    const uint8_t *const texts = streams[kTexts].data(), *const texts_end = texts + streams[kTexts].size();
    uint8_t *at = out;
    uint8_t *const end = out + size;
    const auto room = [&](size_t n) { require(n <= static_cast<size_t>(end - at), "log lines hold more than the frame"); };
    for (uint64_t k = 0; k < lines; ++k) {
        for (const Part &part : set.of(ids[k])) {
            room(part.size);
            at = copy(at, end, literals + part.literal, literals_end, part.size);
            if (part.column == kNoColumn) break;
            const uint64_t value = values[next[part.column]++];
            const uint8_t cls = set.columns[part.column].cls;
            if (is_number(cls)) {
                uint8_t text[kMaxNumberText];
                const size_t n = write_number(cls, value, text);
                require(n != 0, "a log value is out of the range of its class");
                room(n);
                at = copy(at, end, text, text + kMaxNumberText, n);
            } else {
                room(size_of(value));
                at = copy(at, end, texts + start_of(value), texts_end, size_of(value));
            }
        }
        if (k + 1 < lines || (lines_and_end & 1)) {
            room(1);
            *at++ = '\n';
        }
    }
    require(at == end, "log lines hold less than the frame");
}

}  // namespace laconic::logs
