//===- Function.cpp - kernels, arguments, grids ------------------------------------------------===//

#include "codegen/KernelAbi.h"
#include "codegen/nvptx/Emitter.h"
#include "codegen/nvptx/NvvmFacade.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "passes/TileRegions.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::attn;
using namespace heddle::nvptx;

// Tensors in the workspace, and blocks' slices of it, begin at lines.
static constexpr int64_t line = 64;

Emitter::Emitter(ModuleOp into, const TargetInfo *target, int64_t threads, StringRef suffix)
    : b(into.getLoc(), into.getContext()), module(into), target(target), threads(threads),
      suffix(suffix), globalSpace(target ? 1 : 0), f32(b.getF32Type()), i32(b.getI32Type()) {}

LogicalResult Emitter::emit(func::FuncOp source, std::vector<PtxStage> &stages) {
  for (auto [i, grid] : llvm::enumerate(source.getOps<scf::ForallOp>())) {
    PtxStage stage;
    stage.entry = (source.getName() + suffix + "_kernel" + Twine(i)).str();
    stage.grid = (source.getName() + suffix + "_grid" + Twine(i)).str();
    stage.threads = int32_t(threads);
    if (failed(emitKernel(source, grid, stage)))
      return failure();
    stages.push_back(stage);
  }
  return success();
}

func::FuncOp Emitter::openFunction(const Twine &name, ArrayRef<Type> arguments, TypeRange results) {
  scalars.clear();
  memories.clear();
  storages.clear();
  sequences.clear();
  readBack.clear();
  sharedUsed = sharedMost = sliceUsed = sliceMost = 0;
  b.setInsertionPointToEnd(module.getBody());
  auto function = func::FuncOp::create(b, name.str(), b.getFunctionType(arguments, results));
  b.setInsertionPointToEnd(function.addEntryBlock());
  return function;
}

/// Makes the source's arguments from the slots.
void Emitter::unpackSlots(func::FuncOp source, function_ref<Value(unsigned)> slot) {
  auto indexOf = [&](unsigned number) -> Value {
    return arith::IndexCastOp::create(b, b.getIndexType(), slot(number));
  };
  auto pointer = LLVM::LLVMPointerType::get(b.getContext(), globalSpace);
  KernelAbi abi = KernelAbi::of(source.getArgumentTypes());
  for (auto [argument, value] : llvm::zip_equal(abi.arguments, source.getArguments())) {
    if (argument.kind == KernelArgument::Kind::Tensor) {
      auto type = cast<MemRefType>(argument.type);
      Memory memory{LLVM::IntToPtrOp::create(b, pointer, slot(argument.firstSlot)), {}, {}, type};
      for (int64_t axis = 0; axis < type.getRank(); ++axis) {
        int64_t rank = type.getRank();
        bool innermost = axis + 1 == rank && type.isLastDimUnitStride();
        memory.strides.push_back(innermost ? index(1) : indexOf(argument.firstSlot + 1 + axis));
        memory.sizes.push_back(type.isDynamicDim(axis)
                                   ? indexOf(argument.firstSlot + 1 + rank + axis)
                                   : index(type.getDimSize(axis)));
      }
      memories[value] = memory;
    } else if (argument.kind == KernelArgument::Kind::Dim) {
      scalars.map(value, indexOf(argument.firstSlot));
    } else {
      Value low = arith::TruncIOp::create(b, i32, slot(argument.firstSlot));
      scalars.map(value,
                  argument.type.isF32() ? arith::BitcastOp::create(b, f32, low).getResult() : low);
    }
  }
}

/// A contiguous tensor in the workspace; returns its bytes, in whole lines.
static Value layOut(ImplicitLocOpBuilder &b, memref::AllocOp op, IRMapping &scalars,
                    Memory &memory) {
  MemRefType type = op.getType();
  int64_t rank = type.getRank();
  memory.strides.assign(rank, Value());
  memory.sizes.assign(rank, Value());
  Value count = arith::ConstantIndexOp::create(b, 1);
  unsigned dynamic = op.getDynamicSizes().size();
  for (int64_t axis = rank - 1; axis >= 0; --axis) {
    memory.strides[axis] = count;
    memory.sizes[axis] = type.isDynamicDim(axis)
                             ? scalars.lookup(op.getDynamicSizes()[--dynamic])
                             : arith::ConstantIndexOp::create(b, type.getDimSize(axis)).getResult();
    count = arith::MulIOp::create(b, count, memory.sizes[axis]);
  }
  int64_t bytes = (type.getElementTypeBitWidth() + 7) / 8;
  Value total = arith::MulIOp::create(b, count, arith::ConstantIndexOp::create(b, bytes));
  Value up = arith::AddIOp::create(b, total, arith::ConstantIndexOp::create(b, line - 1));
  return arith::AndIOp::create(b, up, arith::ConstantIndexOp::create(b, -line));
}

/// What stands before the grids: sizes, views, tensors of the workspace.
LogicalResult Emitter::emitPrologue(func::FuncOp source, Value workspace) {
  Value offset = index(0);
  for (Operation &op : source.front().without_terminator()) {
    if (isa<StoreOp>(op))
      return op.emitError("a store outside a grid cannot be compiled for a GPU");
    if (isa<scf::ForallOp>(op) || touchesTiles(op))
      continue;
    if (auto alloc = dyn_cast<memref::AllocOp>(op)) {
      Memory memory{Value(), {}, {}, alloc.getType()};
      Value bytes = layOut(b, alloc, scalars, memory);
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

bool nvptx::isLoops(scf::ForallOp grid) {
  return grid->hasAttr(AttnDialect::LoopsAttrHelper::getNameStr());
}

Value Emitter::numItems(scf::ForallOp grid) {
  Value count = index(1);
  for (OpFoldResult size : grid.getMixedUpperBound())
    count = times(count, isa<Value>(size) ? scalars.lookup(cast<Value>(size))
                                          : index(*getConstantIntValue(size)));
  return count;
}

/// Row-major: the last index runs fastest.
void Emitter::bindPositions(scf::ForallOp grid, Value item) {
  SmallVector<OpFoldResult> sizes = grid.getMixedUpperBound();
  for (unsigned i = sizes.size(); i-- > 0;) {
    Value size = isa<Value>(sizes[i]) ? scalars.lookup(cast<Value>(sizes[i]))
                                      : index(*getConstantIntValue(sizes[i]));
    Value position = i ? arith::RemUIOp::create(b, item, size).getResult() : item;
    scalars.map(grid.getInductionVars()[i], position);
    if (i)
      item = arith::DivUIOp::create(b, item, size);
  }
}

Layout nvptx::homeOf(Operation *op, unsigned result) {
  auto homes = op->getAttrOfType<ArrayAttr>(AttnDialect::HomesAttrHelper::getNameStr());
  return cast<HomeAttr>(homes[result]).getLayout();
}

/// Tensors that a stage both reads and writes.
static DenseSet<Value> bothWays(scf::ForallOp grid) {
  DenseSet<Value> reads, both;
  grid.walk([&](LoadOp load) { reads.insert(rootMemory(load.getMemory())); });
  grid.walk([&](memref::LoadOp load) { reads.insert(rootMemory(load.getMemRef())); });
  grid.walk([&](StoreOp store) {
    if (Value memory = rootMemory(store.getMemory()); reads.contains(memory))
      both.insert(memory);
  });
  return both;
}

LogicalResult Emitter::emitKernel(func::FuncOp source, scf::ForallOp grid, PtxStage &stage) {
  KernelAbi abi = KernelAbi::of(source.getArgumentTypes());
  SmallVector<Type> parameters(abi.numSlots + 1, b.getI64Type());
  auto function = openFunction(stage.entry, parameters, {});
  readBack = bothWays(grid);
  auto global = LLVM::LLVMPointerType::get(b.getContext(), globalSpace);
  auto inShared = LLVM::LLVMPointerType::get(b.getContext(), 3);
  Value first = threadId(b, b.getLoc());
  anchor = first.getDefiningOp();
  thread = arith::IndexCastUIOp::create(b, b.getIndexType(), first);
  Value item = arith::IndexCastUIOp::create(b, b.getIndexType(), blockId(b, b.getLoc()));
  shared = LLVM::AddressOfOp::create(b, inShared, stage.entry + "_shared");
  Value workspace = LLVM::IntToPtrOp::create(b, global, function.getArgument(abi.numSlots));
  unpackSlots(source, [&](unsigned number) { return function.getArgument(number); });
  if (failed(emitPrologue(source, workspace)))
    return failure();
  auto bytes = arith::ConstantIndexOp::create(b, 0); // of a block's slice: see closeKernel
  Value start = plus(prologueBytes, arith::MulIOp::create(b, item, bytes));
  slice = address(workspace, start, b.getI8Type());
  if (isLoops(grid)) { // a thread is a point
    item = plus(times(item, index(threads)), thread);
    Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, item, numItems(grid));
    bool good = true;
    when(inside, [&] {
      bindPositions(grid, item);
      good = succeeded(emitBlock(*grid.getBody()));
    });
    if (!good)
      return failure();
    func::ReturnOp::create(b);
    return closeKernel(stage, bytes);
  }
  bindPositions(grid, item);
  for (Operation &op : source.front().without_terminator())
    if (touchesTiles(op) && failed(emitOp(&op)))
      return failure();
  if (failed(emitBlock(*grid.getBody())))
    return failure();
  func::ReturnOp::create(b);
  return closeKernel(stage, bytes);
}

/// What the kernel takes is known when all is emitted.
LogicalResult Emitter::closeKernel(PtxStage &stage, arith::ConstantIndexOp bytes) {
  stage.sharedBytes = sharedMost;
  stage.scratchBytes = (sliceMost + line - 1) / line * line;
  bytes.setValueAttr(b.getIndexAttr(stage.scratchBytes));
  auto array = LLVM::LLVMArrayType::get(b.getI8Type(), std::max<int64_t>(sharedMost, 1));
  b.setInsertionPointToStart(module.getBody());
  LLVM::GlobalOp::create(b, array, /*isConstant=*/false, LLVM::Linkage::Internal,
                         stage.entry + "_shared", Attribute(), /*alignment=*/16, /*addrSpace=*/3);
  return success();
}

//===--- The host's side ---------------------------------------------------------------------===//

LogicalResult Emitter::openHost(func::FuncOp source, const Twine &name, unsigned numArguments,
                                TypeRange results) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  SmallVector<Type> arguments(numArguments, pointer);
  auto function = openFunction(source.getName() + suffix + name, arguments, results);
  unpackSlots(source, [&](unsigned number) {
    return loadScalar(function.getArgument(0), index(number), b.getI64Type());
  });
  return emitPrologue(source, Value());
}

LogicalResult Emitter::emitLaunches(func::FuncOp source, ArrayRef<PtxStage> stages) {
  for (auto [i, grid] : llvm::enumerate(source.getOps<scf::ForallOp>())) {
    if (failed(openHost(source, "_grid" + Twine(i), 2, {})))
      return failure();
    Value out = b.getInsertionBlock()->getArgument(1);
    Value blocks = numItems(grid);
    if (isLoops(grid)) {
      Value size = index(stages[i].threads);
      blocks = arith::DivUIOp::create(b, plus(blocks, index(stages[i].threads - 1)), size);
    }
    Values three = {blocks, index(1), index(1)};
    for (auto [axis, size] : llvm::enumerate(three)) {
      Value wide = arith::IndexCastOp::create(b, b.getI64Type(), size);
      storeScalar(wide, out, index(axis));
    }
    func::ReturnOp::create(b);
  }
  if (failed(openHost(source, "_workspace", 1, b.getI64Type())))
    return failure();
  Value most = index(0);
  for (auto [grid, stage] : llvm::zip_equal(source.getOps<scf::ForallOp>(), stages))
    most = arith::MaxSIOp::create(b, most, times(numItems(grid), index(stage.scratchBytes)));
  Value bytes = plus(prologueBytes, most);
  func::ReturnOp::create(
      b, ValueRange{arith::IndexCastOp::create(b, b.getI64Type(), bytes).getResult()});
  return success();
}
