// The operations by name.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/operation.h"

namespace pysmorch {

// An entry of the registry: what an operation takes, and what makes one.
template <class T> struct Entry {
    Signature signature;
    std::unique_ptr<Operation<T>> (*make)(const Description&, const Updater<T>&);
};
template <class T> using Registry = std::unordered_map<std::string, Entry<T>>;

template <class T> const Registry<T>& registry();

// Makes the operation that is described, between these values, or says what does not fit.
template <class T>
[[gnu::cold]] std::unique_ptr<Operation<T>> make_operation(const Description& d, std::vector<Value<T>>& values,
                                                           const Updater<T>& updater);

}  // namespace pysmorch
