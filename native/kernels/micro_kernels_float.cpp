#include "kernels/micro_kernel.h"

namespace pysmorch {

template Tile<float, float> tile_of<float, Form::columns>(int, bool);
template Tile<float, float> tile_of<float, Form::rows>(int, bool);
template Tile<float, float> tile_of<float, Form::panels>(int, bool);

}  // namespace pysmorch
