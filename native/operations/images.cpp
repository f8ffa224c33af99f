#include "operations/images.h"
#include "operations/families.h"

namespace pysmorch {

template <class T> void add_images(Registry<T>& all) {
    for (const char* name : {"upsample2d", "pad2d"}) all[name] = entry<T, MovePositions>();
    for (const char* name : {"random_shift", "random_crop", "cutout"}) all[name] = entry<T, ChangeImages>();
    all["random_flip"] = {{.attributes = {"rate"}}, make<T, ChangeImages>};
}
template void add_images(Registry<float>&);
template void add_images(Registry<double>&);

}  // namespace pysmorch
