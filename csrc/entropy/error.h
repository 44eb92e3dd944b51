// The one exception a decoder throws: the bytes are not what an encoder of ours could have written.
// bindings turn it into laconic.CorruptDataError.
#pragma once

#include <stdexcept>
#include <string>

namespace laconic {

class CorruptData : public std::runtime_error {
public:
    explicit CorruptData(const std::string &what) : std::runtime_error(what) {}
};

}  // namespace laconic
