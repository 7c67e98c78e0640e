//===- Ops.cpp - one op after the other: scalars, control flow -------------------------------===//

#include "codegen/nvptx/Emitter.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace heddle::attn;
using namespace heddle::nvptx;

static bool makesTile(Operation *op) {
  return llvm::any_of(op->getResultTypes(), llvm::IsaPred<RankedTensorType>);
}

LogicalResult Emitter::emitBlock(Block &block) {
  for (Operation &op : block.without_terminator())
    if (failed(emitOp(&op)))
      return failure();
  return success();
}

LogicalResult Emitter::emitOp(Operation *op) {
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return emitFor(loop);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return emitIf(branch);
  if (auto strips = dyn_cast<StripsOp>(op))
    return emitStrips(strips);
  if (auto load = dyn_cast<LoadOp>(op))
    return emitLoad(load), success();
  if (auto store = dyn_cast<StoreOp>(op))
    return emitStore(store), success();
  if (auto product = dyn_cast<ContractOp>(op); product && !product.getSpan().empty())
    return op->emitError("a product cut to a span cannot be compiled for a GPU");
  if (isa<ContractOp, MapOp, ShearOp>(op))
    return emitTileOp(op), success();
  if (auto scan = dyn_cast<ScanOp>(op))
    return emitScan(scan), success();
  if (TileSequences::handles(op))
    return sequences.emit(op, [&](Block &body) { return emitBlock(body); });
  return emitSmall(op);
}

/// Scalars, tiles that hold one of them, and arithmetic on tiles.
LogicalResult Emitter::emitSmall(Operation *op) {
  auto splat = [&](Value element) {
    Storage storage = shapeOf(op->getResult(0));
    storage.kind = Storage::Splat;
    storage.base = element;
    storages[op->getResult(0)] = storage;
    return success();
  };
  if (auto iota = dyn_cast<IotaOp>(op)) {
    Storage storage = shapeOf(iota.getResult());
    storage.kind = Storage::Iota;
    storage.base = arith::IndexCastOp::create(b, i32, scalars.lookup(iota.getBase()));
    storages[iota.getResult()] = storage;
    return success();
  }
  if (auto constant = dyn_cast<arith::ConstantOp>(op); constant && makesTile(op)) {
    auto dense = dyn_cast<SplatElementsAttr>(constant.getValue());
    if (!dense)
      return op->emitError("expected a tile of one value");
    return splat(arith::ConstantOp::create(b, dense.getSplatValue<TypedAttr>()));
  }
  if (auto splatted = dyn_cast<tensor::SplatOp>(op))
    return splat(scalars.lookupOrDefault(splatted.getInput()));
  if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
    Values at = {index(0), index(0)};
    for (auto [i, subscript] : llvm::enumerate(extract.getIndices()))
      at[i] = scalars.lookup(subscript);
    Storage form = context ? of(extract.getTensor()) : blockForm(extract.getTensor());
    scalars.map(extract.getResult(), element(form, at[0], at[1]));
    return success();
  }
  if (isa<memref::LoadOp, memref::StoreOp, memref::AllocaOp>(op))
    return emitMemory(op);
  if (isa<memref::DimOp>(op))
    return emitDim(op);
  if (!isa<arith::ArithDialect, math::MathDialect, affine::AffineDialect>(op->getDialect()))
    return op->emitError("'") << op->getName() << "' cannot be compiled for a GPU";
  if (!makesTile(op))
    return b.clone(*op, scalars), success();
  bool isOne = llvm::all_of(op->getOperands(), [&](Value operand) {
    return !isa<RankedTensorType>(operand.getType()) || of(operand).kind == Storage::Splat;
  });
  if (isOne) // one element for all, as of its operands
    return splat(evaluateElementwise(
        op, index(0), index(0), [&](Value v, Value r, Value c) { return element(of(v), r, c); }));
  return emitTileOp(op), success();
}

/// One element of memory, or memory of the thread's own.
LogicalResult Emitter::emitMemory(Operation *op) {
  if (auto alloca = dyn_cast<memref::AllocaOp>(op)) {
    MemRefType type = alloca.getType();
    if (!type.hasStaticShape() || type.getRank() != 1)
      return op->emitError("expected local memory of one axis and a known size");
    Value base = takeLocal(type.getDimSize(0), type.getElementType());
    memories[alloca.getResult()] = {base, {index(1)}, {index(type.getDimSize(0))}, type};
    return success();
  }
  auto load = dyn_cast<memref::LoadOp>(op);
  const Memory &memory = memories[load ? load.getMemRef() : cast<memref::StoreOp>(op).getMemRef()];
  ValueRange indices = load ? load.getIndices() : cast<memref::StoreOp>(op).getIndices();
  Value at = index(0);
  for (auto [i, stride] : llvm::zip_equal(indices, memory.strides))
    at = plus(at, times(scalars.lookup(i), stride));
  if (load)
    scalars.map(load.getResult(), loadScalar(memory.base, at, load.getType()));
  else
    storeScalar(scalars.lookup(cast<memref::StoreOp>(op).getValue()), memory.base, at);
  return success();
}

LogicalResult Emitter::emitDim(Operation *op) {
  auto dim = cast<memref::DimOp>(op);
  std::optional<int64_t> axis = dim.getConstantIndex();
  if (!axis)
    return op->emitError("expected the size of a known axis");
  scalars.map(dim.getResult(), memories.lookup(dim.getSource()).sizes[*axis]);
  return success();
}

//===--- Control flow: the same way for all threads of a block ---------------------------------===//

/// A plain loop stays one: unrolled by ptxas, its addresses would not fit the registers of a thread.
static void keepRolled(scf::ForOp loop) {
  Builder b(loop.getContext());
  auto unroll =
      LLVM::LoopUnrollAttr::get(loop.getContext(), b.getBoolAttr(true), {}, {}, {}, {}, {}, {});
  loop->setAttr("llvm.loop_annotation",
                LLVM::LoopAnnotationAttr::get(loop.getContext(), {}, {}, {}, unroll, {}, {}, {}, {},
                                              {}, {}, {}, {}, {}, {}, {}));
}

/// What is carried has one home for the whole loop.
LogicalResult Emitter::emitFor(scf::ForOp op) {
  Values inits;
  SmallVector<Storage> homes(op.getInitArgs().size());
  for (auto [i, init] : llvm::enumerate(op.getInitArgs())) {
    if (!isa<RankedTensorType>(init.getType())) {
      inits.push_back(scalars.lookup(init));
      continue;
    }
    homes[i] = allocate(op, i);
    copy(homes[i].kind == Storage::Block ? blockForm(init) : of(init), homes[i]);
    storages[op.getRegionIterArg(i)] = homes[i];
    storages[op.getResult(i)] = homes[i];
  }
  auto loop =
      scf::ForOp::create(b, scalars.lookup(op.getLowerBound()), scalars.lookup(op.getUpperBound()),
                         scalars.lookup(op.getStep()), inits);
  if (auto grid = op->getParentOfType<scf::ForallOp>(); grid && isLoops(grid))
    keepRolled(loop);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  int64_t sharedBefore = sharedUsed, sliceBefore = sliceUsed;
  scalars.map(op.getInductionVar(), loop.getInductionVar());
  unsigned scalar = 0;
  for (auto [i, home] : llvm::enumerate(homes))
    if (home.kind == Storage::None)
      scalars.map(op.getRegionIterArg(i), loop.getRegionIterArg(scalar++));
  if (failed(emitBlock(*op.getBody())))
    return failure();
  Values next;
  SmallVector<Storage> yielded(homes.size());
  for (auto [i, value] : llvm::enumerate(op.getYieldedValues())) {
    if (homes[i].kind == Storage::None) {
      next.push_back(scalars.lookup(value));
      continue;
    }
    yielded[i] = of(value);
    bool moves = false;
    for (unsigned other = 0; other < homes.size(); ++other)
      moves |= other != i && homes[other].base && homes[other].base == yielded[i].base;
    if (moves) { // another's home, which is written below
      Storage aside = allocate(op, i);
      copy(yielded[i], aside);
      yielded[i] = aside;
    }
  }
  for (auto [from, home] : llvm::zip_equal(yielded, homes))
    if (home.kind != Storage::None)
      copy(from, home);
  if (!next.empty())
    scf::YieldOp::create(b, next);
  sharedUsed = sharedBefore;
  sliceUsed = sliceBefore;
  scalar = 0;
  for (auto [i, home] : llvm::enumerate(homes))
    if (home.kind == Storage::None)
      scalars.map(op.getResult(i), loop.getResult(scalar++));
  return success();
}

LogicalResult Emitter::emitIf(scf::IfOp op) {
  SmallVector<Type> types;
  for (auto [i, result] : llvm::enumerate(op.getResults())) {
    if (isa<RankedTensorType>(result.getType())) {
      Storage home = allocate(op, i);
      storages[result] = home;
    } else
      types.push_back(result.getType());
  }
  auto branch =
      scf::IfOp::create(b, types, scalars.lookup(op.getCondition()), !op.getElseRegion().empty());
  for (auto [from, to] : {std::pair(&op.getThenRegion(), &branch.getThenRegion()),
                          std::pair(&op.getElseRegion(), &branch.getElseRegion())}) {
    if (from->empty())
      continue;
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&to->front());
    int64_t sharedBefore = sharedUsed, sliceBefore = sliceUsed;
    if (failed(emitBlock(from->front())))
      return failure();
    Values scalarsOut;
    for (auto [value, result] :
         llvm::zip_equal(from->front().getTerminator()->getOperands(), op.getResults())) {
      if (!isa<RankedTensorType>(result.getType())) {
        scalarsOut.push_back(scalars.lookup(value));
        continue;
      }
      Storage home = of(result);
      copy(of(value), home);
    }
    if (!scalarsOut.empty())
      scf::YieldOp::create(b, scalarsOut);
    sharedUsed = sharedBefore;
    sliceUsed = sliceBefore;
  }
  unsigned scalar = 0;
  for (Value result : op.getResults())
    if (!isa<RankedTensorType>(result.getType()))
      scalars.map(result, branch.getResult(scalar++));
  return success();
}
