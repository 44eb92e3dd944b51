#if defined(LACONIC_X86)

#include "float/delta_impl.h"
#include "float/planes_isa.h"

namespace laconic::floats {

void differences_avx2(const uint8_t *raw, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *zigzags) {
    differences_here(raw, base, n, format, zigzags);
}

void add_differences_avx2(const uint8_t *zigzags, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *raw) {
    add_differences_here(zigzags, base, n, format, raw);
}

void base_contexts_avx2(const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *contexts) {
    base_contexts_here(base, n, format, contexts);
}

void tokens_avx2(const uint8_t *zigzags, size_t n, unsigned width, uint8_t *tokens) { tokens_here(zigzags, n, width, tokens); }

void widen_avx2(const uint8_t *tokens, size_t n, unsigned width, uint8_t *zigzags) { widen_here(tokens, n, width, zigzags); }

void unite_avx2(const uint8_t *tokens, size_t n, uint8_t *united) { unite_here(tokens, n, united); }

void map_contexts_avx2(const uint8_t *contexts, size_t n, const uint8_t *table_of, uint16_t *tables) {
    map_contexts_here(contexts, n, table_of, tables);
}

}  // namespace laconic::floats

#endif
