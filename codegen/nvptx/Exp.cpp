//===- Exp.cpp - powers at full accuracy on a GPU ----------------------------------------------===//
//
// x = n + f with n an integer and f in [-0.5, 0.5]; a polynomial of degree 6 on f (1.6e-8 relative, c0 = 1);
// times 2^n in two steps, so that results below the normal range round once.
//
//===----------------------------------------------------------------------------------------===//

#include "codegen/nvptx/Exp.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

static constexpr double coefficients[] = {1.0,           0.693147182,   0.240226477,  0.0555033237,
                                          0.00961843692, 0.00133988739, 0.00015353362};

Value heddle::nvptx::preciseExp(OpBuilder &b, Location loc, Value x, bool natural) {
  auto real = [&](double value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(float(value)));
  };
  auto word = [&](int32_t value) -> Value {
    return arith::ConstantIntOp::create(b, loc, value, 32);
  };
  auto fma = [&](Value p, Value q, Value r) -> Value {
    return math::FmaOp::create(b, loc, p, q, r);
  };
  // Beyond these the result is 0 or inf, and stays so.
  x = arith::MaximumFOp::create(b, loc, x, real(natural ? -110 : -160));
  x = arith::MinimumFOp::create(b, loc, x, real(natural ? 90 : 130));
  Value t = natural ? arith::MulFOp::create(b, loc, x, real(1.4426950408889634)).getResult() : x;
  Value magic = real(12582912); // 1.5 * 2^23: adding it rounds to an integer
  Value shifted = arith::AddFOp::create(b, loc, t, magic);
  Value n = arith::SubFOp::create(b, loc, shifted, magic);
  Value f;
  if (natural) { // x log2 e - n, with what the product lost
    f = fma(x, real(1.4426950408889634), arith::NegFOp::create(b, loc, n));
    f = fma(x, real(1.9259629911266175e-8), f);
  } else {
    f = arith::SubFOp::create(b, loc, x, n);
  }
  Value p = real(std::end(coefficients)[-1]);
  for (double c : llvm::reverse(ArrayRef<double>(coefficients).drop_back()))
    p = fma(p, f, real(c));
  Type i32 = b.getI32Type(), f32 = b.getF32Type();
  Value bits = arith::BitcastOp::create(b, loc, i32, shifted);
  Value exponent = arith::SubIOp::create(b, loc, bits, word(0x4B400000));
  Value half = arith::ShRSIOp::create(b, loc, exponent, word(1));
  Value rest = arith::SubIOp::create(b, loc, exponent, half);
  for (Value part : {half, rest}) {
    Value biased = arith::AddIOp::create(b, loc, part, word(127));
    Value power = arith::BitcastOp::create(
        b, loc, f32, arith::ShLIOp::create(b, loc, biased, word(23)).getResult());
    p = arith::MulFOp::create(b, loc, p, power);
  }
  return p;
}
