#include "log/parse.h"

#include <algorithm>
#include <cstring>

#include "log/hash.h"

namespace laconic::logs {

namespace {

// How many lines must share a form for it to become a template, by how they are cut (values, quotes, words, head). Fewer suffice
// where less is literal. Tuned on all sets, docs/notes/logs.md.
constexpr uint32_t kMinLines[] = {8, 2, 4, 1};
constexpr size_t kMaxSlots = 1000;  // of a line

struct Form {  // lines that agree in everything but the values of their slots
    uint64_t signature = 0;
    uint32_t lines = 0;
    uint32_t id = 0;      // + 1, once it is a template
    uint32_t sample = 0;  // a line of this form: which the template was made from
};

class FormTable {
public:
    FormTable() : forms_(size_t{1} << 12) {}

    Form &operator[](uint64_t signature) {
        if (2 * used_ >= forms_.size()) grow();
        Form &form = find(signature);
        if (form.signature == 0) {
            form.signature = signature;
            ++used_;
        }
        return form;
    }

private:
    Form &find(uint64_t signature) {
        size_t at = signature & (forms_.size() - 1);
        while (forms_[at].signature != 0 && forms_[at].signature != signature) at = (at + 1) & (forms_.size() - 1);
        return forms_[at];
    }
    void grow() {
        std::vector<Form> old(2 * forms_.size());
        old.swap(forms_);
        for (const Form &form : old)
            if (form.signature) find(form.signature) = form;
    }

    std::vector<Form> forms_;
    size_t used_ = 0;
};

struct Line {
    uint32_t start;
    uint32_t size;
    uint32_t slots;  // index of the first
    uint32_t count;
    uint64_t signature;
    bool settled;
};

uint64_t sign(const uint8_t *raw, const Line &line, const std::vector<Slot> &slots) {
    uint64_t h = 1;
    uint32_t at = line.start;
    for (uint32_t k = line.slots; k < line.slots + line.count; ++k) {
        h = hash_bytes(raw + at, slots[k].start - at, h + slots[k].cls);
        at = slots[k].start + slots[k].length;
    }
    return hash_bytes(raw + at, line.start + line.size - at, h) | 1;
}

// Equal signatures are not proof: a template is only used for lines that it gives back.
bool same_form(const uint8_t *raw, const Line &a, const Line &b, const std::vector<Slot> &slots) {
    if (a.count != b.count) return false;
    uint32_t at_a = a.start, at_b = b.start;
    const auto same_literal = [&](uint32_t stop_a, uint32_t stop_b) {
        return stop_a - at_a == stop_b - at_b && std::memcmp(raw + at_a, raw + at_b, stop_a - at_a) == 0;
    };
    for (uint32_t k = 0; k < a.count; ++k) {
        const Slot &x = slots[a.slots + k], &y = slots[b.slots + k];
        if (x.cls != y.cls || !same_literal(x.start, y.start)) return false;
        at_a = x.start + x.length;
        at_b = y.start + y.length;
    }
    return same_literal(a.start + a.size, b.start + b.size);
}

bool fits(const uint8_t *raw, const Line &line) {
    return line.size <= kMaxLine && line.count <= kMaxSlots && std::memchr(raw + line.start, kSlot, line.size) == nullptr;
}

void append_template(const uint8_t *raw, const Line &line, const std::vector<Slot> &slots, std::vector<uint8_t> &text) {
    uint32_t at = line.start;
    for (uint32_t k = line.slots; k < line.slots + line.count; ++k) {
        text.insert(text.end(), raw + at, raw + slots[k].start);
        text.push_back(kSlot);
        text.push_back(slots[k].cls);
        at = slots[k].start + slots[k].length;
    }
    text.insert(text.end(), raw + at, raw + line.start + line.size);
    text.push_back('\n');
}

}  // namespace

ParsedLog parse_log(const uint8_t *raw, size_t size) {
    ParsedLog log;
    std::vector<Line> lines;
    std::vector<Slot> slots;
    lines.reserve(size / 64);
    slots.reserve(size / 16);
    FormTable forms;

    const auto cut = [&](Line &line, Cut how) {
        line.slots = static_cast<uint32_t>(slots.size());
        scan(raw + line.start, line.size, how, line.start, slots);
        line.count = static_cast<uint32_t>(slots.size()) - line.slots;
        const uint64_t before = line.signature;
        line.signature = sign(raw, line, slots);
        if (line.signature != before) ++forms[line.signature].lines;  // cut further, it may be the same
    };

    for (size_t start = 0; start < size;) {
        const auto *newline = static_cast<const uint8_t *>(std::memchr(raw + start, '\n', size - start));
        const size_t end = newline ? static_cast<size_t>(newline - raw) : size;
        Line line{static_cast<uint32_t>(start), static_cast<uint32_t>(end - start), 0, 0, 0, false};
        if (line.size <= kMaxLine) cut(line, Cut::values);
        lines.push_back(line);
        log.final_newline = newline != nullptr;
        start = end + 1;
    }

    // What is too rare is cut further, until it is alike often enough; the rest is kept whole.
    for (const Cut next : {Cut::quotes, Cut::words, Cut::head, Cut::line}) {
        const uint32_t enough = kMinLines[static_cast<size_t>(next) - 1];
        std::vector<Line *> rare;
        for (Line &line : lines) {
            line.settled = line.settled || (line.signature && forms[line.signature].lines >= enough && fits(raw, line));
            if (!line.settled) rare.push_back(&line);
        }
        for (Line *line : rare) {
            if (next == Cut::line || line->size > kMaxLine) {
                line->slots = static_cast<uint32_t>(slots.size());
                scan(raw + line->start, line->size, Cut::line, line->start, slots);
                line->count = static_cast<uint32_t>(slots.size()) - line->slots;
                line->signature = sign(raw, *line, slots);
            } else {
                cut(*line, next);
            }
        }
    }

    std::vector<uint8_t> text;
    uint32_t templates = 0;
    log.line_template.reserve(lines.size());
    log.line_slots.reserve(lines.size() + 1);
    log.slots.reserve(slots.size());
    for (uint32_t k = 0; k < lines.size(); ++k) {
        Line &line = lines[k];
        Form *form = &forms[line.signature];
        const bool full = form->id == 0 && templates >= kMaxTemplates - 2;  // whole and empty lines still need one each
        if (line.size && (full || (form->id && !same_form(raw, line, lines[form->sample], slots)))) {
            line.slots = static_cast<uint32_t>(slots.size());
            line.count = 1;
            slots.push_back({line.start, line.size, kLine});
            line.signature = sign(raw, line, slots);
            form = &forms[line.signature];
        }
        if (form->id == 0) {
            append_template(raw, line, slots, text);
            form->id = ++templates;
            form->sample = k;
        }
        if (line.count == 1 && slots[line.slots].cls == kLine) log.whole += line.size;
        log.line_template.push_back(form->id - 1);
        log.line_slots.push_back(static_cast<uint32_t>(log.slots.size()));
        log.slots.insert(log.slots.end(), slots.begin() + line.slots, slots.begin() + line.slots + line.count);
    }
    log.line_slots.push_back(static_cast<uint32_t>(log.slots.size()));
    log.templates = read_templates(std::move(text), SIZE_MAX);
    return log;
}

}  // namespace laconic::logs
