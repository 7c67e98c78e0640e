//===- Evaluate.cpp - scalar bodies on registers of lanes --------------------------------------===//

#include "codegen/PreciseMath.h"
#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace heddle::attn;
using namespace heddle::cpu;

Value Emitter::asVector(Value scalar) {
  return vector::BroadcastOp::create(b, vectorOf(scalar.getType()), scalar);
}

/// The body of a map on registers; scalars from outside stand for all lanes.
Value Emitter::evaluate(MapOp op, ArrayRef<Value> arguments) {
  Block &body = op.getBody().front();
  DenseMap<Value, Value> vectors;
  for (auto [argument, value] : llvm::zip_equal(body.getArguments(), arguments)) {
    Type type = argument.getType(); // narrow integers are i32 in registers
    vectors[argument] = isa<IntegerType>(type) && !type.isInteger(32)
                            ? arith::TruncIOp::create(b, vectorOf(type), value).getResult()
                            : value;
  }
  for (Operation &inner : body.without_terminator())
    vectors[inner.getResult(0)] = evaluateOp(&inner, vectors);
  return lookupVector(body.getTerminator()->getOperand(0), vectors);
}

/// Emits what belongs to each of so many registers, and has their operations take turns: a machine that looks some
/// hundred of them ahead then finds those of several registers, which do not wait for each other.
void Emitter::inTurns(int64_t count, function_ref<void(int64_t)> emit) {
  Block *block = b.getInsertionBlock();
  Block::iterator end = b.getInsertionPoint();
  SmallVector<SmallVector<Operation *>> chains(count);
  for (auto [i, chain] : llvm::enumerate(chains)) {
    Operation *before = end == block->begin() ? nullptr : &*std::prev(end);
    emit(int64_t(i));
    for (Operation &op :
         llvm::make_range(before ? std::next(before->getIterator()) : block->begin(), end))
      chain.push_back(&op);
  }
  for (size_t turn = 0; llvm::any_of(chains, [&](auto &chain) { return turn < chain.size(); });
       ++turn)
    for (auto &chain : chains)
      if (turn < chain.size())
        chain[turn]->moveBefore(block, end);
}

Value Emitter::lookupVector(Value value, DenseMap<Value, Value> &vectors) {
  auto known = vectors.find(value);
  if (known != vectors.end())
    return known->second;
  Value scalar = scalars.lookupOrDefault(value);
  if (scalar.getType().isIndex()) // positions are i32 in lanes
    scalar = arith::IndexCastOp::create(b, i32, scalar);
  return asVector(scalar);
}

/// Whether a divisor serves many registers: the row's, which each lane of a strip has for itself, or one from outside
/// the body. By a power of two LLVM multiplies.
static bool dividesMany(arith::DivFOp op, Value divisor) {
  auto map = cast<MapOp>(op->getParentOp());
  if (APFloat constant(0.0f); matchPattern(op.getRhs(), m_ConstantFloat(&constant)))
    return !constant.getExactInverse(nullptr);
  if (op.getRhs().getParentRegion() != &map.getBody())
    return true;
  auto argument = dyn_cast<BlockArgument>(op.getRhs());
  unsigned numTiles = map.getTiles().size();
  return argument && argument.getArgNumber() >= numTiles &&
         argument.getArgNumber() < numTiles + map.getRows().size() &&
         !divisor.getDefiningOp<vector::BroadcastOp>();
}

/// x / divisor, to the last bit unless x is below 2^-100. The reciprocal is found once for all columns, and
/// the rest that it leaves is divided by it too. A divisor that may be so large that the reciprocal would be no
/// normal number is scaled, and what it divides; one below 2^-128 counts as 0. Where there is no rest, of infinity say,
/// the first quotient stands.
Value Emitter::quotient(Value x, Value divisor, bool mayBeLarge) {
  if (mayBeLarge) {
    Value isLarge = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT,
                                          math::AbsFOp::create(b, divisor), splat(0x1p100));
    Value by = arith::SelectOp::create(b, isLarge, splat(0x1p-64), splat(1));
    divisor = arith::MulFOp::create(b, divisor, by);
    x = arith::MulFOp::create(b, x, by);
  }
  Value reciprocal = arith::DivFOp::create(b, splat(1), divisor);
  Value first = arith::MulFOp::create(b, x, reciprocal);
  Value rest = vector::FMAOp::create(b, arith::NegFOp::create(b, first), divisor, x);
  Value second = vector::FMAOp::create(b, rest, reciprocal, first);
  Value isNumber = arith::CmpFOp::create(b, arith::CmpFPredicate::ORD, second, second);
  return arith::SelectOp::create(b, isNumber, second, first);
}

Value Emitter::evaluateOp(Operation *op, DenseMap<Value, Value> &vectors) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (op->getResult(0).getType().isIndex())
      return Value(); // an index of a read; gather looks at the constant
    auto type = vectorOf(constant.getType());
    return arith::ConstantOp::create(b, DenseElementsAttr::get(type, constant.getValue()));
  }
  if (isa<memref::LoadOp>(op))
    return gather(op, vectors);
  if (isa<arith::IndexCastOp>(op) && op->getResult(0).getType().isIndex())
    return lookupVector(op->getOperand(0), vectors); // positions are i32
  if (isa<math::ExpOp, math::Exp2Op>(op))
    return exponential(op, lookupVector(op->getOperand(0), vectors));
  if (isa<math::TanhOp>(op))
    return preciseTanh(b, b.getLoc(), lookupVector(op->getOperand(0), vectors));
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    operands.push_back(lookupVector(operand, vectors));
  if (auto division = dyn_cast<arith::DivFOp>(op); division && dividesMany(division, operands[1]))
    return quotient(operands[0], operands[1],
                    /*mayBeLarge=*/!division.getRhs().getDefiningOp<arith::SIToFPOp>());
  Type element = op->getResult(0).getType();
  OperationState state(b.getLoc(), op->getName());
  state.addOperands(operands);
  state.addTypes(vectorOf(element.isIndex() ? i32 : element));
  state.addAttributes(op->getAttrs());
  return b.create(state)->getResult(0);
}

/// A read that differs from lane to lane.
Value Emitter::gather(Operation *op, DenseMap<Value, Value> &vectors) {
  auto load = cast<memref::LoadOp>(op);
  const Memory &memory = memories[load.getMemRef()];
  Type element = load.getType();
  Value result = arith::ConstantOp::create(b, b.getZeroAttr(vectorOf(element)));
  for (int64_t lane = 0; lane < lanes; ++lane) {
    Value at = index(0);
    for (auto [subscript, stride, size] :
         llvm::zip_equal(load.getIndices(), memory.strides, memory.sizes)) {
      Value i;
      if (auto known = vectors.find(subscript); known != vectors.end() && known->second) {
        Value one = vector::ExtractOp::create(b, known->second, lane);
        i = arith::IndexCastOp::create(b, b.getIndexType(), one);
        i = arith::MinSIOp::create(b, i, plus(size, -1)); // lanes behind the tile's last element
      } else if (auto constant = subscript.getDefiningOp<arith::ConstantIndexOp>()) {
        i = index(constant.value());
      } else {
        i = scalars.lookup(subscript);
      }
      at = plus(at, arith::MulIOp::create(b, i, stride));
    }
    Value x = loadScalar(memory.base, at, element);
    result = vector::InsertOp::create(b, x, result, lane);
  }
  return result;
}

//===--- Vectors -----------------------------------------------------------------------------===//

/// Maps and arithmetic on vectors: one register after the other.
LogicalResult Emitter::emitElementwise(Operation *op) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  auto map = dyn_cast<MapOp>(op);
  if (type.getRank() != 1 || op->getNumResults() != 1 ||
      !isa<AttnDialect, arith::ArithDialect, math::MathDialect>(op->getDialect()))
    return op->emitError("'") << op->getName() << "' of " << type
                              << " cannot be compiled for a CPU";
  Storage vector;
  vector.isVector = true;
  vector.rows = type.getDimSize(0);
  vector.pitch = padded(vector.rows);
  vector.element = type.getElementType();
  auto one = [&](Value first) -> Value {
    Values operands;
    for (Value operand : op->getOperands())
      operands.push_back(registerOf(of(operand), first));
    if (map)
      return evaluate(map, operands);
    if (isa<math::ExpOp, math::Exp2Op>(op))
      return exponential(op, operands[0]);
    if (isa<arith::MaximumFOp>(op)) // of running maxima: a NaN shows in the weights
      return combine(Combine::max, operands[1], operands[0]);
    OperationState state(b.getLoc(), op->getName());
    state.addOperands(operands);
    state.addTypes(vectorOf(vector.element));
    state.addAttributes(op->getAttrs());
    return b.create(state)->getResult(0);
  };
  // In a strip a short vector stays in registers; elsewhere its elements are chosen at run time.
  if (op->getParentOfType<StripsOp>() && vector.pitch / lanes <= 4) {
    vector.kind = Storage::Registers;
    for (int64_t v = 0; v < vector.pitch; v += lanes)
      vector.registers.push_back(one(index(v)));
  } else {
    bool inRegisters = llvm::any_of(
        op->getOperands(), [&](Value operand) { return of(operand).kind == Storage::Registers; });
    assert(!inRegisters && "vectors of one length are all short or all long");
    (void)inRegisters;
    vector = allocateVector(vector.rows, vector.element);
    loop(index(0), index(vector.pitch), lanes, {}, [&](Value first, ValueRange) {
      storeVector(one(first), vector.base, first);
      return Values();
    });
  }
  storages[op->getResult(0)] = vector;
  return success();
}

LogicalResult Emitter::emitScan(ScanOp op) {
  Combine kind = op.getKind();
  bool reverse = op.getReverse(), exclusive = op.getExclusive();
  if (of(op.getTile()).isVector) {
    Storage from = of(op.getTile());
    if (from.kind == Storage::Registers) { // elements are chosen at run time
      Storage buffer = allocateVector(from.rows, from.element);
      copy(from, buffer);
      from = buffer;
    }
    Storage to = storages[op.getResult()] = allocateVector(from.rows, f32);
    float first = kind == Combine::add ? 0 : 1;
    if (kind == Combine::max)
      first = -std::numeric_limits<float>::infinity();
    Value start = arith::ConstantOp::create(b, b.getF32FloatAttr(first));
    loop(index(0), index(from.rows), 1, start, [&](Value i, ValueRange carried) {
      Value at = reverse ? arith::SubIOp::create(b, index(from.rows - 1), i).getResult() : i;
      Value next = combine(kind, carried[0], elementOf(from, at));
      LLVM::StoreOp::create(b, exclusive ? Value(carried[0]) : next, address(to.base, at, f32), 4);
      return Values{next};
    });
    return success();
  }
  materialise(op.getTile());
  Storage from = of(op.getTile());
  if (from.width)
    return op.emitError("a scan of a tile in strips cannot be compiled for a CPU");
  Storage to = storages[op.getResult()] = allocate(op.getResult());
  loop(index(0), index(from.pitch), lanes, {}, [&](Value c, ValueRange) {
    loop(index(0), index(from.rows), 1, neutral(kind), [&](Value i, ValueRange carried) {
      Value r = reverse ? arith::SubIOp::create(b, index(from.rows - 1), i).getResult() : i;
      Value next =
          combine(kind, carried[0], loadVector(from.base, plus(times(r, from.pitch), c), f32));
      storeVector(exclusive ? Value(carried[0]) : next, to.base, plus(times(r, to.pitch), c));
      return Values{next};
    });
    return Values();
  });
  return success();
}

/// The least and the greatest place, and how many there are.
LogicalResult Emitter::emitSpan(SpanOp op) {
  Storage &vector = of(op.getVector());
  auto lanesOf = [&](int32_t value) -> Value {
    return arith::ConstantOp::create(b, DenseElementsAttr::get(vectorOf(i32), value));
  };
  Storage places{
      Storage::Iota, arith::ConstantIntOp::create(b, 0, 32), {}, vector.rows, 1, 0, 0, i32, true};
  Value size = lanesOf(int32_t(vector.rows)), none = lanesOf(0);
  Value first = size, last = none, count = none;
  for (int64_t v = 0; v < vector.pitch; v += lanes) {
    Value at = index(v), place = registerOf(places, at), x = registerOf(vector, at);
    Value held = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, splat(0));
    Value in = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, place, size);
    held = arith::AndIOp::create(b, held, in);
    Value past = arith::AddIOp::create(b, place, lanesOf(1));
    auto where = [&](Value value, Value other) -> Value {
      return arith::SelectOp::create(b, held, value, other);
    };
    first = arith::MinSIOp::create(b, first, where(place, size));
    last = arith::MaxSIOp::create(b, last, where(past, none));
    count = arith::AddIOp::create(b, count, where(lanesOf(1), none));
  }
  auto across = [&](vector::CombiningKind kind, Value x) -> Value {
    Value one = vector::ReductionOp::create(b, kind, x);
    return arith::IndexCastOp::create(b, b.getIndexType(), one);
  };
  Value hi = across(vector::CombiningKind::MAXSI, last);
  Value lo = arith::MinSIOp::create(b, across(vector::CombiningKind::MINSI, first), hi);
  Value length = arith::SubIOp::create(b, hi, lo);
  scalars.map(op.getLo(), lo);
  scalars.map(op.getHi(), hi);
  scalars.map(op.getDense(),
              arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                    across(vector::CombiningKind::ADD, count), length));
  return success();
}
