//===- PreciseMath.h - functions at full accuracy, from arithmetic alone -----------------------===//
//
// For scalars and vectors of f32, on any machine; LLVM vectorises them. Within 1 ulp or so where the result
// is a normal number.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_CODEGEN_PRECISEMATH_H
#define HEDDLE_CODEGEN_PRECISEMATH_H

#include "mlir/IR/PatternMatch.h"

namespace heddle {

/// 2^x, or e^x if `natural`: `ex2.approx` alone is 2^-22, which adds up where a result is multiplied token
/// by token. Below the range 0, above it inf; NaN stays NaN.
mlir::Value preciseExp(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, bool natural);

/// ln x, or log2 x. Of 0 -inf, of what is less NaN.
mlir::Value preciseLog(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, bool natural);

/// sin x or cos x, for |x| up to 10^5: positions times frequencies.
mlir::Value preciseSine(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, bool cosine);

/// tanh x, within 2 ulp: MLIR's is 4 off from 1 on.
mlir::Value preciseTanh(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x);

/// math.exp, exp2, log, log2, sin, cos and tanh of scalar f32 as the above, but those marked `afn` if
/// `keepApproximate`; all but the exponentials of vectors too.
void populatePreciseMath(mlir::RewritePatternSet &patterns, bool keepApproximate,
                         mlir::PatternBenefit benefit);

} // namespace heddle

#endif // HEDDLE_CODEGEN_PRECISEMATH_H
