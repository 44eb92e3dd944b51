#if defined(LACONIC_X86)

#include "image/lattice_maps.h"

namespace laconic::image {

const LatticeKernels kLatticeAvx2[2] = {kLatticeRows[0], kLatticeRows[1]};

}  // namespace laconic::image

#endif
