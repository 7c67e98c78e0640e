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
      suffix(suffix), lanes(schedule ? schedule.getCpu().getLanes() : target.lanes),
      registerRows(schedule ? schedule.getCpu().getRows() : 1),
      registerVectors(schedule ? schedule.getCpu().getVectors() : 1), f32(b.getF32Type()),
      i32(b.getI32Type()) {}

LogicalResult Emitter::emit(func::FuncOp source) {
  source.walk([&](VisitOp) { revisits = true; });
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
  sequences.clear();
  ahead.clear();
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
