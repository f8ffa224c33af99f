// An operation as Python describes it, and what a class of operations takes.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace pysmorch {

// Throws std::invalid_argument.
[[noreturn]] void fail(const std::string& what);
inline void require(bool condition, const char* what) {
    if (!condition) fail(what);
}
inline void require(bool condition, const std::string& what) {
    if (!condition) fail(what);
}

// An array of parameters. Several operations may have the same one in prediction.
struct Parameter {
    std::string name;
    const void* data = nullptr;  // of the program's number type
    bool integers = false;       // int8_t instead
    std::vector<size_t> shape;
    size_t size = 0;

    template <class T> const T* as() const {
        require(integers == std::is_same_v<T, int8_t>, name + " has another number type");
        return static_cast<const T*>(data);
    }
};

// What a class of operations takes. Python reads it from the registry (operations.h), and a description is checked
// against it.
struct Signature {
    size_t least_inputs = 1, most_inputs = 1;
    std::vector<const char*> parameters = {};  // that it cannot do without
    std::vector<const char*> attributes = {};  // numbers, besides the sizes of images
    // What it may include: "scale" and "bias" are parameters, "sum" an input before the others, "activation".
    std::vector<const char*> fuses = {};
    bool reads_indices = false;
};
constexpr size_t ANY_NUMBER = size_t(1) << 31;

// What a layer of the user's computes of a batch, row by row: its output, or backward the gradient of its input. The
// sizes are those of both arrays in bytes.
using OwnPass =
    std::function<void(bool backward, const void* from, void* to, size_t rows, size_t from_bytes, size_t to_bytes)>;

// An operation as Python describes it.
struct Description {
    std::string kind, activation;
    bool bf16 = false;  // whether products are made of bfloat16
    std::vector<int> inputs;
    int output = 0;
    int stream = 0;  // RNG stream
    std::vector<Parameter> parameters;
    size_t channels = 0;                              // size of the last axis of the output
    std::unordered_map<std::string, double> numbers;  // attributes and the sizes of images
    std::vector<std::pair<double*, size_t>> states;   // running statistics and their sizes
    std::vector<size_t> runs;  // where those of columns of the input begin and end: see DenseRuns
    OwnPass own;               // of a layer of the user's, else none

    double number(const char* name) const;
    // A parameter by name; without data where there is none.
    const Parameter& parameter(const char* name) const;
    // The same, where it must be a matrix.
    const Parameter& matrix(const char* name) const;
    // The same, where it must have one element for each channel.
    const Parameter& row(const char* name) const;
};

// How many of the 2^32 random words are below a rate.
uint64_t threshold_of(double rate);

}  // namespace pysmorch
