#include "kernels/micro_kernel.h"

namespace pysmorch {

template Tile<double, double> tile_of<double, Form::columns>(int, bool);
template Tile<double, double> tile_of<double, Form::rows>(int, bool);
template Tile<double, double> tile_of<double, Form::panels>(int, bool);

}  // namespace pysmorch
