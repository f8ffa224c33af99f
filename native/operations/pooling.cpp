#include "operations/pooling.h"
#include "operations/families.h"

namespace pysmorch {

template <class T> using MaxPool = Pool<T, true>;
template <class T> using AvgPool = Pool<T, false>;

template <class T> void add_pooling(Registry<T>& all) {
    all["max_pool2d"] = entry<T, MaxPool>();
    all["avg_pool2d"] = entry<T, AvgPool>();
    all["global_avg_pool2d"] = entry<T, GlobalAverage>();
}
template void add_pooling(Registry<float>&);
template void add_pooling(Registry<double>&);

}  // namespace pysmorch
