#include "float/delivery.h"

#include "memory/past_caches.h"

namespace laconic::floats {

void Delivery::deliver(const uint8_t *memory, uint8_t *place, size_t size) {
    hash::Xxh3::update(hashes_, memory, size);
    if (past_caches_) copy_past_caches(memory, place, size);
    delivered_ += size;
}

void Delivery::rest(const uint8_t *raw, size_t size) {
    if (past_caches_) finish_copies();
    hash::Xxh3::update_in_steps(hashes_, raw + delivered_, size - delivered_);
}

}  // namespace laconic::floats
