//===- Function.cpp - stages, arguments, scalars, control flow ---------------------------------===//

#include "codegen/KernelAbi.h"
#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/TileRegions.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::attn;
using namespace heddle::cpu;

Emitter::Emitter(ModuleOp into, const TargetInfo &target, ScheduleAttr schedule, StringRef suffix)
    : b(into.getLoc(), into.getContext()), module(into), target(target), schedule(schedule),
      suffix(suffix), lanes(schedule.getCpu().getLanes()),
      registerRows(schedule.getCpu().getRows()), registerVectors(schedule.getCpu().getVectors()),
      f32(b.getF32Type()), i32(b.getI32Type()) {}

LogicalResult Emitter::emit(func::FuncOp source) {
  source.walk([&](StoreOp store) { written.insert(rootMemory(store.getMemory())); });
  if (failed(emitWorkspace(source)))
    return failure();
  for (auto grid : source.getOps<scf::ForallOp>()) {
    if (failed(emitGrid(source, grid)) || failed(emitItem(source, grid)))
      return failure();
    ++stages;
  }
  return success();
}

//===--- Functions of a stage ----------------------------------------------------------------===//

func::FuncOp Emitter::openFunction(const Twine &name, ArrayRef<Type> arguments, TypeRange results) {
  scalars.clear();
  memories.clear();
  storages.clear();
  visits.clear();
  b.setInsertionPointToEnd(module.getBody());
  auto function = func::FuncOp::create(b, name.str(), b.getFunctionType(arguments, results));
  b.setInsertionPointToEnd(function.addEntryBlock());
  return function;
}

/// Makes the source's arguments from the slots.
void Emitter::unpackSlots(func::FuncOp source, Value slots) {
  KernelAbi abi = KernelAbi::of(source.getArgumentTypes());
  auto slot = [&](unsigned number) -> Value {
    return loadScalar(slots, index(number), b.getI64Type());
  };
  for (auto [argument, value] : llvm::zip_equal(abi.arguments, source.getArguments())) {
    if (argument.kind == KernelArgument::Kind::Tensor) {
      auto type = cast<MemRefType>(argument.type);
      Memory memory{
          LLVM::IntToPtrOp::create(b, slots.getType(), slot(argument.firstSlot)), {}, {}, type};
      int64_t rank = type.getRank();
      for (int64_t axis = 0; axis < rank; ++axis) {
        auto word = [&, first = argument.firstSlot](unsigned place) -> Value {
          return arith::IndexCastOp::create(b, b.getIndexType(), slot(first + place));
        };
        memory.strides.push_back(axis + 1 == rank ? index(1) : word(1 + axis));
        memory.sizes.push_back(type.isDynamicDim(axis) ? word(1 + rank + axis)
                                                       : index(type.getDimSize(axis)));
      }
      memories[value] = memory;
    } else if (argument.kind == KernelArgument::Kind::Dim) {
      scalars.map(value, arith::IndexCastOp::create(b, b.getIndexType(), slot(argument.firstSlot)));
    } else {
      Value low = arith::TruncIOp::create(b, i32, slot(argument.firstSlot));
      scalars.map(value,
                  argument.type.isF32() ? arith::BitcastOp::create(b, f32, low).getResult() : low);
    }
  }
}

/// A contiguous tensor in the workspace; `offset` (bytes) moves on, to the next line.
static Value bytesOfAlloc(ImplicitLocOpBuilder &b, memref::AllocOp op, IRMapping &scalars,
                          Values &strides, Values &sizes) {
  MemRefType type = op.getType();
  strides.assign(type.getRank(), Value());
  sizes.assign(type.getRank(), Value());
  Value count = arith::ConstantIndexOp::create(b, 1);
  unsigned dynamic = op.getDynamicSizes().size();
  for (int64_t axis = type.getRank() - 1; axis >= 0; --axis) {
    strides[axis] = count;
    Value size = type.isDynamicDim(axis)
                     ? scalars.lookup(op.getDynamicSizes()[--dynamic])
                     : arith::ConstantIndexOp::create(b, type.getDimSize(axis)).getResult();
    sizes[axis] = size;
    count = arith::MulIOp::create(b, count, size);
  }
  int64_t bytes = type.getElementTypeBitWidth() / 8;
  Value total = arith::MulIOp::create(b, count, arith::ConstantIndexOp::create(b, bytes));
  Value line = arith::ConstantIndexOp::create(b, 63);
  Value up = arith::AddIOp::create(b, total, line);
  return arith::AndIOp::create(b, up, arith::ConstantIndexOp::create(b, -64));
}

/// What stands before the grids, but for tiles: sizes, views, tensors of the workspace.
LogicalResult Emitter::emitPrologue(func::FuncOp source, Value workspace) {
  Value offset = index(0);
  for (Operation &op : source.front().without_terminator()) {
    if (isa<scf::ForallOp>(op) || touchesTiles(op))
      continue;
    if (auto alloc = dyn_cast<memref::AllocOp>(op)) {
      Memory memory{Value(), {}, {}, alloc.getType()};
      Value bytes = bytesOfAlloc(b, alloc, scalars, memory.strides, memory.sizes);
      if (workspace)
        memory.base = address(workspace, offset, b.getI8Type());
      memories[alloc.getResult()] = memory;
      offset = plus(offset, bytes);
    } else if (auto view = dyn_cast<memref::TransposeOp>(op)) {
      Memory from = memories.lookup(view.getIn()), to{from.base, {}, {}, view.getType()};
      for (AffineExpr axis : view.getPermutation().getResults()) {
        unsigned position = cast<AffineDimExpr>(axis).getPosition();
        to.strides.push_back(from.strides[position]);
        to.sizes.push_back(from.sizes[position]);
      }
      memories[view.getResult()] = to;
    } else if (failed(emitOp(&op))) {
      return failure();
    }
  }
  prologueBytes = offset;
  return success();
}

LogicalResult Emitter::emitWorkspace(func::FuncOp source) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  auto function = openFunction(source.getName() + suffix + "_workspace", {pointer}, b.getI64Type());
  unpackSlots(source, function.getArgument(0));
  if (failed(emitPrologue(source, Value())))
    return failure();
  func::ReturnOp::create(
      b, ValueRange{arith::IndexCastOp::create(b, b.getI64Type(), prologueBytes).getResult()});
  return success();
}

LogicalResult Emitter::emitGrid(func::FuncOp source, scf::ForallOp grid) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  auto function =
      openFunction(source.getName() + suffix + "_grid" + Twine(stages), {pointer, pointer}, {});
  unpackSlots(source, function.getArgument(0));
  if (failed(emitPrologue(source, Value())))
    return failure();
  // One number of items is all a caller needs; it stands first, the other two are 1.
  Value count = index(1);
  for (OpFoldResult size : grid.getMixedUpperBound()) {
    Value value =
        isa<Value>(size) ? scalars.lookup(cast<Value>(size)) : index(*getConstantIntValue(size));
    count = arith::MulIOp::create(b, count, value);
  }
  Values three = {count, index(1), index(1)};
  for (auto [i, size] : llvm::enumerate(three)) {
    Value wide = arith::IndexCastOp::create(b, b.getI64Type(), size);
    LLVM::StoreOp::create(b, wide, address(function.getArgument(1), index(i), b.getI64Type()), 8);
  }
  func::ReturnOp::create(b);
  return success();
}

LogicalResult Emitter::emitItem(func::FuncOp source, scf::ForallOp grid) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  auto function = openFunction(source.getName() + suffix + "_item" + Twine(stages),
                               {pointer, b.getI64Type(), pointer, pointer}, {});
  int64_t before = scratch;
  scratch = 0; // stages follow each other: they share an arena
  scratchBase = function.getArgument(2);
  // An anchor for what is claimed of the scratch: it stands before everything.
  scratchBase =
      LLVM::GEPOp::create(b, pointer, b.getI8Type(), scratchBase, ArrayRef<LLVM::GEPArg>{0});
  unpackSlots(source, function.getArgument(0));
  if (failed(emitPrologue(source, function.getArgument(3))))
    return failure();
  Value number = arith::IndexCastOp::create(b, b.getIndexType(), function.getArgument(1));
  SmallVector<OpFoldResult> sizes = grid.getMixedUpperBound();
  for (unsigned i = sizes.size(); i-- > 0;) { // row-major: the last index runs fastest
    Value size = isa<Value>(sizes[i]) ? scalars.lookup(cast<Value>(sizes[i]))
                                      : index(*getConstantIntValue(sizes[i]));
    Value position = i ? arith::RemUIOp::create(b, number, size).getResult() : number;
    scalars.map(grid.getInductionVars()[i], position);
    if (i)
      number = arith::DivUIOp::create(b, number, size);
  }
  for (Operation &op : source.front().without_terminator())
    if (touchesTiles(op) && failed(emitOp(&op)))
      return failure();
  if (failed(emitBlock(*grid.getBody())))
    return failure();
  func::ReturnOp::create(b);
  scratch = std::max(scratch, before);
  return success();
}

//===--- Ops ---------------------------------------------------------------------------------===//

LogicalResult Emitter::emitBlock(Block &block) {
  for (Operation &op : block.without_terminator())
    if (failed(emitOp(&op)))
      return failure();
  return success();
}

LogicalResult Emitter::emitOp(Operation *op) {
  if (done.contains(op))
    return success();
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return emitFor(loop);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return emitIf(branch);
  if (auto strips = dyn_cast<StripsOp>(op))
    return emitStrips(strips);
  if (auto load = dyn_cast<LoadOp>(op))
    return emitLoad(load);
  if (auto store = dyn_cast<StoreOp>(op))
    return emitStore(store);
  if (auto contract = dyn_cast<ContractOp>(op))
    return emitContract(contract);
  if (auto map = dyn_cast<MapOp>(op))
    return emitMap(map);
  if (auto scan = dyn_cast<ScanOp>(op))
    return emitScan(scan);
  if (auto visit = dyn_cast<VisitOp>(op))
    return emitVisit(visit), success();
  if (auto count = dyn_cast<CountOp>(op))
    return emitCount(count), success();
  if (auto at = dyn_cast<AtOp>(op))
    return emitAt(at), success();
  return emitSmall(op);
}

/// Scalars, and vectors and tiles that hold one of them.
LogicalResult Emitter::emitSmall(Operation *op) {
  if (auto dim = dyn_cast<memref::DimOp>(op)) {
    std::optional<int64_t> axis = dim.getConstantIndex();
    if (!axis)
      return op->emitError("expected the size of a known axis");
    scalars.map(dim.getResult(), memories.lookup(dim.getSource()).sizes[*axis]);
    return success();
  }
  if (auto iota = dyn_cast<IotaOp>(op)) {
    Value base = arith::IndexCastOp::create(b, i32, scalars.lookup(iota.getBase()));
    Storage &vector = storages[iota.getResult()];
    vector = {Storage::Iota, base, {}, iota.getType().getDimSize(0), 1, 0, 0, i32, true};
    vector.pitch = padded(vector.rows);
    return success();
  }
  bool makesTile = llvm::any_of(op->getResultTypes(), llvm::IsaPred<RankedTensorType>);
  if (auto constant = dyn_cast<arith::ConstantOp>(op); constant && makesTile) {
    auto dense = dyn_cast<SplatElementsAttr>(constant.getValue());
    if (!dense)
      return op->emitError("expected a tile of one value");
    auto attr = dense.getSplatValue<TypedAttr>();
    return setSplat(constant, arith::ConstantOp::create(b, attr));
  }
  if (auto splat = dyn_cast<tensor::SplatOp>(op))
    return setSplat(splat, scalars.lookupOrDefault(splat.getInput()));
  if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
    Value at = scalars.lookup(extract.getIndices()[0]);
    if (auto constant = getConstantIntValue(extract.getIndices()[0]))
      at = index(*constant);
    scalars.map(extract.getResult(), elementOf(of(extract.getTensor()), at));
    return success();
  }
  if (auto load = dyn_cast<memref::LoadOp>(op)) {
    const Memory &memory = memories[load.getMemRef()];
    Value at = index(0);
    for (auto [i, stride] : llvm::zip_equal(load.getIndices(), memory.strides))
      at = plus(at, arith::MulIOp::create(b, scalars.lookup(i), stride));
    scalars.map(load.getResult(), loadScalar(memory.base, at, load.getType()));
    return success();
  }
  if (makesTile)
    return emitElementwise(op);
  if (isa<arith::ArithDialect, math::MathDialect, affine::AffineDialect>(op->getDialect()))
    return b.clone(*op, scalars), success();
  return op->emitError("'") << op->getName() << "' cannot be compiled for a CPU";
}

LogicalResult Emitter::setSplat(Operation *op, Value element) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  Storage &storage = storages[op->getResult(0)];
  storage = {Storage::Splat, element, {}, type.getDimSize(0), 1, 0, 0, element.getType(), true};
  storage.pitch = padded(storage.rows);
  if (type.getRank() == 2) {
    storage.isVector = false;
    storage.cols = type.getDimSize(1);
  }
  return success();
}

/// What is carried has one home for the whole loop.
LogicalResult Emitter::emitFor(scf::ForOp op) {
  Values inits;
  SmallVector<Storage> homes(op.getInitArgs().size());
  for (auto [i, init] : llvm::enumerate(op.getInitArgsMutable())) {
    if (!isa<RankedTensorType>(init.get().getType())) {
      inits.push_back(scalars.lookup(init.get()));
      continue;
    }
    homes[i] = take(init, op.getResult(i));
    copy(of(init.get()), homes[i]);
    storages[op.getRegionIterArg(i)] = storages[op.getResult(i)] = homes[i];
  }
  auto loop =
      scf::ForOp::create(b, scalars.lookup(op.getLowerBound()), scalars.lookup(op.getUpperBound()),
                         scalars.lookup(op.getStep()), inits);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  scalars.map(op.getInductionVar(), loop.getInductionVar());
  unsigned scalar = 0;
  for (auto [i, home] : llvm::enumerate(homes))
    if (home.kind == Storage::None)
      scalars.map(op.getRegionIterArg(i), loop.getRegionIterArg(scalar++));
  if (failed(emitBlock(*op.getBody())))
    return failure();
  Values next;
  for (auto [i, value] : llvm::enumerate(op.getYieldedValues())) {
    if (homes[i].kind == Storage::None)
      next.push_back(scalars.lookup(value));
    else
      copy(of(value), homes[i]);
  }
  if (!next.empty())
    scf::YieldOp::create(b, next);
  scalar = 0;
  for (auto [i, home] : llvm::enumerate(homes))
    if (home.kind == Storage::None)
      scalars.map(op.getResult(i), loop.getResult(scalar++));
  return success();
}

/// Strips one after the other. What is carried is cut out of its home and put back into it.
LogicalResult Emitter::emitStrips(StripsOp op) {
  Block &body = op.getBody().front();
  unsigned numSliced = op.getSliced().size();
  SmallVector<Storage> homes;
  for (auto [carried, result] : llvm::zip_equal(op.getCarriedMutable(), op.getResults())) {
    homes.push_back(take(carried, result));
    copy(of(carried.get()), homes.back());
    storages[result] = homes.back();
  }
  int64_t count = cast<RankedTensorType>(op->getOperand(0).getType()).getDimSize(0) / op.getWidth();
  bool good = true;
  loop(index(0), index(count), 1, {}, [&](Value number, ValueRange) {
    for (auto [i, argument] : llvm::enumerate(body.getArguments()))
      storages[argument] =
          strip(i < numSliced ? of(op->getOperand(i)) : homes[i - numSliced], number);
    good = succeeded(emitBlock(body));
    if (good)
      for (auto [i, value] : llvm::enumerate(body.getTerminator()->getOperands()))
        copy(of(value), strip(homes[i], number));
    return Values();
  });
  return success(good);
}

LogicalResult Emitter::emitIf(scf::IfOp op) {
  Values homes;
  for (Value result : op.getResults()) {
    if (!isa<RankedTensorType>(result.getType()))
      return op.emitError("a branch that gives a scalar cannot be compiled for a CPU");
    storages[result] = allocate(result);
  }
  auto branch =
      scf::IfOp::create(b, scalars.lookup(op.getCondition()), !op.getElseRegion().empty());
  for (auto [from, to] : {std::pair(&op.getThenRegion(), &branch.getThenRegion()),
                          std::pair(&op.getElseRegion(), &branch.getElseRegion())}) {
    if (from->empty())
      continue;
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&to->front());
    if (failed(emitBlock(from->front())))
      return failure();
    for (auto [value, result] :
         llvm::zip_equal(from->front().getTerminator()->getOperands(), op.getResults()))
      copy(of(value), of(result));
  }
  return success();
}
