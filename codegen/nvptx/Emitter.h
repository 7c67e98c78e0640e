//===- Emitter.h - mapped tile ops to plain code of one GPU thread -----------------------------===//
//
// Plain bodies: any shape, any type, no tensor cores. One Emitter turns one function of tile ops into the
// kernels of its stages. Scalars are computed by all threads alike. Tiles live where MapToGpu.cpp says:
//   thread   rows t, t + T, ... of a tile in thread t's own memory: nobody else can read them
//   block    in shared memory, or where that is full in the block's slice of the workspace
//   memory   read in place, element by element, each checked against the limit
//   value    not stored: one element for all, or positions
// Inside a strips by row, a row of a tile is an array and an element of a vector a scalar of the thread
// whose row it is.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_CODEGEN_NVPTX_EMITTER_H
#define HEDDLE_CODEGEN_NVPTX_EMITTER_H

#include "codegen/LowerToPtx.h"
#include "codegen/TileSequences.h"
#include "dialect/AttnOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include <memory>

namespace heddle::nvptx {
using namespace mlir;
using Values = SmallVector<Value>;

/// A tensor in global memory: its first element and the strides of its axes, in elements (index).
struct Memory {
  Value base;
  Values strides, sizes;
  MemRefType type;
};

struct Access;

/// A tile or a vector, which has one column.
struct Storage {
  enum Kind { None, Splat, Iota, InPlace, Block, Thread, Row, Scalar };
  Kind kind = None;
  int64_t rows = 1, cols = 1;
  Type element;
  Value base; // pointer, or for Splat and Scalar the element, for Iota the first position
  std::shared_ptr<Access> access; // InPlace
  Value firstRow;                 // a strip: the row of `base`'s tile it begins with; null: 0
};

/// Offsets of rows, and the stride they count in.
struct List {
  Storage offsets;
  Value stride;
};

/// A tile in global memory, read or written in place.
struct Access {
  Value base; // of row 0 of the tensor, column 0 of the tile
  Value rowStride, colStride, row0, limit;
  SmallVector<List> lists;
  Type element;
  Value scale;    // f32; null: 1
  int64_t inside; // columns that the tensor has
};

/// The row that a thread works at: `row` of the tile, its `turn`-th own one.
struct RowContext {
  Value row, turn;
};

/// A grid of scalar loops: each thread is a point of it.
bool isLoops(scf::ForallOp grid);

/// Where MapToGpu has put a result.
attn::Layout homeOf(Operation *op, unsigned result);

class Emitter {
public:
  /// Functions go into `into`: kernels for `target`, or without one what the host calls.
  Emitter(ModuleOp into, const TargetInfo *target, int64_t threads, StringRef suffix);

  /// The kernels of all stages. Fails, told, on what cannot be compiled.
  LogicalResult emit(func::FuncOp source, std::vector<PtxStage> &stages);
  /// `_gridN` and `_workspace` for the host.
  LogicalResult emitLaunches(func::FuncOp source, ArrayRef<PtxStage> stages);

private:
  // Function.cpp: kernels, arguments, grids.
  func::FuncOp openFunction(const Twine &name, ArrayRef<Type> arguments, TypeRange results);
  void unpackSlots(func::FuncOp source, function_ref<Value(unsigned)> slot);
  LogicalResult emitPrologue(func::FuncOp source, Value workspace);
  LogicalResult emitKernel(func::FuncOp source, scf::ForallOp grid, PtxStage &stage);
  LogicalResult closeKernel(PtxStage &stage, arith::ConstantIndexOp bytes);
  LogicalResult openHost(func::FuncOp source, const Twine &name, unsigned numArguments,
                         TypeRange results);
  Value numItems(scf::ForallOp grid);
  void bindPositions(scf::ForallOp grid, Value item);

  // Ops.cpp: one op after the other; scalars, control flow.
  LogicalResult emitBlock(Block &block);
  LogicalResult emitOp(Operation *op);
  LogicalResult emitSmall(Operation *op);
  LogicalResult emitMemory(Operation *op);
  LogicalResult emitDim(Operation *op);
  LogicalResult emitFor(scf::ForOp op);
  LogicalResult emitIf(scf::IfOp op);

  // Strips.cpp: a body per strip, or per row.
  LogicalResult emitStrips(attn::StripsOp op);
  LogicalResult emitStripsByRow(attn::StripsOp op);
  LogicalResult emitStripsByBlock(attn::StripsOp op);

  // Storage.cpp: homes, addresses, elements.
  Storage shapeOf(Value value);
  Storage allocateBlock(Value value);
  Storage allocateThread(Value value);
  Storage allocateRow(Value value);
  Storage allocate(Operation *op, unsigned result);
  Value takeLocal(int64_t count, Type element);
  Storage blockForm(Value value);
  Storage &of(Value value);
  void copy(const Storage &from, const Storage &to);
  Value element(const Storage &tile, Value row, Value col);
  Value rowElement(Value value, Value row, Value col);
  void setElement(const Storage &tile, Value row, Value col, Value value);
  Value address(Value base, Value index, Type element);
  Value loadScalar(Value base, Value index, Type element);
  void storeScalar(Value value, Value base, Value index);
  Type inMemory(Type element);

  // Access.cpp: memory to tiles and back.
  template <typename OpT> Access accessOf(OpT op);
  std::pair<Value, Value> rowOf(const Access &access, Value row);
  Value readInPlace(const Storage &tile, Value row, Value col);
  Value convert(Value value, Type to, Value scale);
  void emitLoad(attn::LoadOp op);
  void emitStore(attn::StoreOp op);

  // Compute.cpp: products, maps, scans.
  using ElementOf = function_ref<Value(Value operand, Value row, Value col)>;
  Value product(attn::ContractOp op, Value row, Value col, ElementOf elementOf);
  Value evaluate(attn::MapOp op, Value row, Value col, ElementOf elementOf);
  Value evaluateElementwise(Operation *op, Value row, Value col, ElementOf elementOf);
  Value valueOf(Operation *op, Value row, Value col, ElementOf elementOf);
  void emitTileOp(Operation *op);
  void emitByRow(Operation *op, MutableArrayRef<Storage> results, ElementOf elementOf);
  void emitByBlock(Operation *op);
  void reduceByBlock(attn::MapOp op, const Storage &reduced, const Storage *whole,
                     ElementOf elementOf);
  void emitScan(attn::ScanOp op);
  Value combine(attn::Combine kind, Value x, Value y);
  Value neutral(attn::Combine kind, Type type);

  // Loops.
  Value index(int64_t value);
  Value plus(Value a, Value c);
  Value times(Value a, Value c);
  Values loop(Value lo, Value hi, Value step, ValueRange init,
              function_ref<Values(Value, ValueRange)> body);
  void loop(int64_t count, function_ref<void(Value)> body);
  void when(Value condition, function_ref<void()> body);
  /// Elements of a tile, spread over the threads of the block.
  void forElements(int64_t rows, int64_t cols, function_ref<void(Value row, Value col)> body);
  /// Rows of a tile that this thread owns, with `context` set.
  void forOwnedRows(int64_t rows, function_ref<void()> body);
  void sync();

  ImplicitLocOpBuilder b;
  ModuleOp module;
  const TargetInfo *target; // null: functions are for the host
  int64_t threads;
  std::string suffix;
  unsigned globalSpace; // of pointers to tensors
  Type f32, i32;

  IRMapping scalars; // scalars of the source function
  DenseMap<Value, Memory> memories;
  DenseMap<Value, Storage> storages;
  TileSequences sequences{b, scalars};
  DenseSet<Value> readBack; // tensors that the stage both reads and writes
  std::optional<RowContext> context;
  Operation *rowStrips = nullptr; // the strips by row we are in
  Value prologueBytes;            // of the workspace
  Value thread;                   // its number, index
  Value shared, slice;            // pointers to the block's memory
  Operation *anchor = nullptr;    // of the kernel's entry: allocas stand before it
  int64_t sharedUsed = 0, sharedMost = 0, sliceUsed = 0, sliceMost = 0;
};

} // namespace heddle::nvptx

#endif // HEDDLE_CODEGEN_NVPTX_EMITTER_H
