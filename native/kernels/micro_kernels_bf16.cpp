#include "kernels/micro_kernel.h"

namespace pysmorch {

template Tile<float, Pair> tile_of<float, Form::columns, Pair>(int, bool);
template Tile<float, Pair> tile_of<float, Form::rows, Pair>(int, bool);
template Tile<float, Pair> tile_of<float, Form::panels, Pair>(int, bool);

}  // namespace pysmorch
