#include "operations/shape.h"
#include "operations/families.h"

namespace pysmorch {

template <class T> void add_shapes(Registry<T>& all) {
    all["columns"] = entry<T, Columns>();
    all["concat"] = entry<T, Concat>();
    all["embedding"] = entry<T, Embedding>();
}
template void add_shapes(Registry<float>&);
template void add_shapes(Registry<double>&);

}  // namespace pysmorch
