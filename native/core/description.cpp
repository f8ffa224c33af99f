#include "core/description.h"

#include <cmath>
#include <stdexcept>

namespace pysmorch {

void fail(const std::string& what) { throw std::invalid_argument(what); }

double Description::number(const char* name) const {
    const auto found = numbers.find(name);
    if (found == numbers.end()) fail(kind + " needs " + name);
    return found->second;
}

const Parameter& Description::parameter(const char* name) const {
    static const Parameter none;
    for (const Parameter& p : parameters)
        if (p.name == name) return p;
    return none;
}

const Parameter& Description::matrix(const char* name) const {
    const Parameter& p = parameter(name);
    if (p.shape.size() != 2) fail(kind + " needs a matrix of " + name);
    return p;
}

const Parameter& Description::row(const char* name) const {
    const Parameter& p = parameter(name);
    if (p.size != channels) fail(kind + " needs a number of " + name + " for each channel");
    return p;
}

uint64_t threshold_of(double rate) {
    require(rate >= 0 && rate <= 1, "the rate is out of range");
    return uint64_t(std::nearbyint(rate * 4294967296.0));
}

}  // namespace pysmorch
