#include "log/templates.h"

#include <unordered_map>

#include "entropy/error.h"
#include "log/hash.h"
#include "log/tokens.h"

namespace laconic::logs {

TemplateSet read_templates(std::vector<uint8_t> text, size_t most_columns) {
    TemplateSet set;
    set.text = std::move(text);
    const uint8_t *const data = set.text.data();
    const size_t size = set.text.size();
    if (size && data[size - 1] != '\n') throw CorruptData("log templates end within a template");
    std::unordered_map<uint64_t, uint32_t> columns;  // by the hash of all that stands before and in the slot's mark
    set.first.push_back(0);
    uint64_t prefix = 0;
    uint32_t literal = 0;
    for (uint32_t at = 0; at < size;) {
        if (data[at] == '\n') {
            set.parts.push_back({literal, at - literal, kNoColumn});
            set.first.push_back(static_cast<uint32_t>(set.parts.size()));
            if (set.count() > kMaxTemplates) throw CorruptData("too many log templates");
            literal = ++at;
            prefix = 0;
        } else if (data[at] == kSlot) {
            if (at + 1 >= size || !is_slot_class(data[at + 1])) throw CorruptData("a log template has a slot of no class");
            const uint8_t cls = data[at + 1];
            prefix = hash_bytes(data + literal, at - literal, prefix + cls);
            auto [column, added] = columns.try_emplace(prefix, static_cast<uint32_t>(set.columns.size()));
            // Two beginnings with one hash share a column, which costs a little; but never two classes.
            if (added || set.columns[column->second].cls != cls) {
                column->second = static_cast<uint32_t>(set.columns.size());
                if (set.columns.size() >= most_columns) throw CorruptData("too many log columns");
                set.columns.push_back({cls});
            }
            set.parts.push_back({literal, at - literal, column->second});
            at += 2;
            literal = at;
        } else {
            ++at;
        }
    }
    return set;
}

}  // namespace laconic::logs
