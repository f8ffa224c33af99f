#include "operations/images.h"
#include "operations/families.h"

namespace pysmorch {

template <class T> using Pad = MovePlaces<T, true>;
template <class T> using Upsample = MovePlaces<T, false>;
template <class T> using Shift = ChangeImages<T, Change::shift>;
template <class T> using Flip = ChangeImages<T, Change::flip>;
template <class T> using Crop = ChangeImages<T, Change::crop>;
template <class T> using Cutout = ChangeImages<T, Change::cutout>;

template <class T> void add_images(Registry<T>& all) {
    all["upsample2d"] = entry<T, Upsample>();
    all["pad2d"] = entry<T, Pad>();
    all["random_shift"] = entry<T, Shift>();
    all["random_flip"] = entry<T, Flip>();
    all["random_crop"] = entry<T, Crop>();
    all["cutout"] = entry<T, Cutout>();
}
template void add_images(Registry<float>&);
template void add_images(Registry<double>&);

}  // namespace pysmorch
