//===- Strips.cpp - a body per strip, or per row -----------------------------------------------===//

#include "codegen/nvptx/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace heddle::attn;
using namespace heddle::nvptx;

/// An element inside a strips by row. Rows of the body's own values are those of the whole tile; a value
/// from outside that is used by row has the rows of one strip.
Value Emitter::rowElement(Value value, Value row, Value col) {
  auto strips = cast<StripsOp>(rowStrips);
  bool isOwn = strips.getBody().isAncestor(value.getParentRegion());
  if (!isOwn && row == context->row)
    row = arith::RemUIOp::create(b, row, index(strips.getWidth()));
  return element(of(value), row, col);
}

LogicalResult Emitter::emitStrips(StripsOp op) {
  bool byRow = op.getNumResults() && homeOf(op, 0) == Layout::thread;
  return byRow ? emitStripsByRow(op) : emitStripsByBlock(op);
}

/// Each thread runs the body for each row it owns; the width of strips means nothing here.
LogicalResult Emitter::emitStripsByRow(StripsOp op) {
  Block &body = op.getBody().front();
  // Threads read each other's rows of nothing but what is cut: all else from outside is the block's.
  DenseMap<Value, Storage> saved;
  op.getBody().walk([&](Operation *inner) {
    for (Value operand : inner->getOperands()) {
      bool isOwn = op.getBody().isAncestor(operand.getParentRegion());
      if (isOwn || !isa<RankedTensorType>(operand.getType()) || saved.contains(operand))
        continue;
      saved[operand] = of(operand);
      Storage form = blockForm(operand);
      storages[operand] = form;
    }
  });
  SmallVector<Storage> results;
  for (unsigned i = 0; i < op.getNumResults(); ++i)
    results.push_back(allocateThread(op.getResult(i)));
  LogicalResult emitted = success();
  forOwnedRows(cast<RankedTensorType>(op->getOperand(0).getType()).getDimSize(0), [&] {
    for (auto [argument, operand] : llvm::zip_equal(body.getArguments(), op->getOperands())) {
      auto before = saved.find(operand);
      Storage storage = before != saved.end() ? before->second : of(operand);
      storages[argument] = storage;
    }
    rowStrips = op;
    emitted = emitBlock(body);
    if (succeeded(emitted))
      for (auto [value, result] : llvm::zip_equal(body.getTerminator()->getOperands(), results))
        loop(result.cols, [&, value = value, result = result](Value c) {
          setElement(result, context->row, c, rowElement(value, context->row, c));
        });
    rowStrips = nullptr;
  });
  for (auto &[value, storage] : saved)
    storages[value] = storage;
  for (auto [result, storage] : llvm::zip_equal(op.getResults(), results))
    storages[result] = storage;
  return emitted;
}

/// Strips one after the other, each by all threads.
LogicalResult Emitter::emitStripsByBlock(StripsOp op) {
  Block &body = op.getBody().front();
  SmallVector<Storage> whole, results;
  for (Value operand : op->getOperands())
    whole.push_back(blockForm(operand));
  for (Value result : op.getResults())
    results.push_back(allocateBlock(result));
  int64_t rows = whole.front().rows, width = op.getWidth();
  LogicalResult emitted = success();
  int64_t sharedBefore = sharedUsed, sliceBefore = sliceUsed;
  loop(rows / width, [&](Value number) {
    Value first = times(number, index(width));
    auto strip = [&](Storage storage) {
      storage.firstRow = storage.firstRow ? plus(storage.firstRow, first) : first;
      storage.rows = width;
      return storage;
    };
    for (auto [argument, storage] : llvm::zip_equal(body.getArguments(), whole))
      storages[argument] = strip(storage);
    emitted = emitBlock(body);
    if (succeeded(emitted))
      for (auto [value, result] : llvm::zip_equal(body.getTerminator()->getOperands(), results))
        copy(of(value), strip(result));
  });
  sharedUsed = sharedBefore;
  sliceUsed = sliceBefore;
  for (auto [result, storage] : llvm::zip_equal(op.getResults(), results))
    storages[result] = storage;
  return emitted;
}
