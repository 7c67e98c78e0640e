//===- Exp.h - powers at full accuracy on a GPU ------------------------------------------------===//

#ifndef HEDDLE_CODEGEN_NVPTX_EXP_H
#define HEDDLE_CODEGEN_NVPTX_EXP_H

#include "mlir/IR/Builders.h"

namespace heddle::nvptx {

/// 2^x, or e^x if `natural`, in f32 within 1 ulp or so: `ex2.approx` alone is 2^-22, which adds up where a
/// result is multiplied token by token. Below the range 0, above it inf; NaN stays NaN.
mlir::Value preciseExp(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, bool natural);

} // namespace heddle::nvptx

#endif // HEDDLE_CODEGEN_NVPTX_EXP_H
