//===- Emitter.h - tile ops with homes to vector code for one CPU ------------------------------===//
//
// One Emitter turns one function of tile ops into the functions of its stages. Vectors are 1-D, of exactly
// one machine register; tiles lie in scratch, padded to whole registers, so that no shape has a remainder
// of lanes. See MapToCpu.cpp for the two orders of a tile's elements.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_CODEGEN_CPU_EMITTER_H
#define HEDDLE_CODEGEN_CPU_EMITTER_H

#include "codegen/TileSequences.h"
#include "dialect/AttnOps.h"
#include "dialect/target/TargetInfo.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace heddle::cpu {
using namespace mlir;
using Values = SmallVector<Value>;

/// A tensor in memory: its first element and the strides of its axes, in elements (index).
struct Memory {
  Value base;
  Values strides, sizes;
  MemRefType type;
};

/// A tile or a vector. Elements are f32 or i32.
struct Storage {
  enum Kind { None, Buffer, Iota, Splat, Registers };
  Kind kind = None;
  Value base;       // Buffer: pointer; Iota: the first, i32; Splat: the element
  Values registers; // Registers: of a vector
  int64_t rows = 1, cols = 1;
  int64_t width = 0; // rows of a strip; 0: row-major, or a vector
  int64_t pitch = 0; // elements from row to row, or, strip by strip, from column to column
  Type element;
  bool isVector = false;
  bool borrowed = false; // the caller's memory: never written
};

/// Where the rows of a tile lie in memory.
struct Access {
  Value base;      // of row 0 of the tensor, at the first column
  Value rowStride; // elements
  Value row0, limit;
  SmallVector<std::pair<Value, Value>> lists; // a vector of offsets and the stride they count in
  Type element;
  Value scale;    // f32; null: 1
  int64_t inside; // columns that the tensor has
};

/// Rows that are read or written soon: from row `distance` of a tile's place on.
struct Ahead {
  Access access;
  int64_t distance;
  bool write;
};

/// Rows of memory, `stride` elements from each other, of `width` elements.
struct NextRows {
  Value place, stride;
  Type element;
  int64_t count, width;
  bool write;
  bool soon = false; // into L1, else L2
  int64_t first = 0; // row: those before are fetched
};

/// Lines of memory of a row.
int64_t linesOf(const NextRows &rows);

/// The register tiles of a product, without those that are cut: so many, of `depth` steps of `width` multiplications.
struct ProductShape {
  int64_t tiles, depth, width;
};

/// Rows that a product fetches, all alike, `count` of each entry, at the addresses in `list`. Each register tile fetches
/// `each` of them, a line every `span` steps.
struct SharedRows {
  SmallVector<NextRows> rows;
  int64_t count = 0, each = 0, span = 0;
  Value list = {};
};

class Emitter {
public:
  Emitter(ModuleOp into, const TargetInfo &target, attn::ScheduleAttr schedule, StringRef suffix);

  /// Emits grid and item functions of every stage and the workspace function. Fails, told, on an op that
  /// is not known here.
  LogicalResult emit(func::FuncOp function);

  int64_t scratchBytes() const { return scratch; }
  unsigned numStages() const { return stages; }

private:
  // Function.cpp: functions, arguments, workspace.
  func::FuncOp openFunction(const Twine &name, ArrayRef<Type> arguments, TypeRange results);
  void unpackSlots(func::FuncOp source, Value slots);
  LogicalResult emitPrologue(func::FuncOp source, Value workspace);
  LogicalResult emitWorkspace(func::FuncOp source);

  // Grid.cpp: the items of a stage.
  Values sizesOf(scf::ForallOp grid);
  LogicalResult emitGrid(func::FuncOp source, scf::ForallOp grid);
  LogicalResult emitItem(func::FuncOp source, scf::ForallOp grid);
  LogicalResult emitPoints(scf::ForallOp grid, Value number);

  // Ops.cpp: one op after the other; scalars, control flow.
  LogicalResult emitBlock(Block &block);
  LogicalResult emitOp(Operation *op);
  LogicalResult emitSmall(Operation *op);
  LogicalResult emitMemory(Operation *op);
  LogicalResult setSplat(Operation *op, Value element);
  LogicalResult emitFor(scf::ForOp op);
  LogicalResult emitStrips(attn::StripsOp op);
  LogicalResult emitIf(scf::IfOp op);
  Value lend(Storage &tile, Value result, Storage &home);

  // Storage.cpp: scratch, addresses, registers.
  Storage allocate(Value value);
  Storage allocateTile(int64_t rows, int64_t cols, int64_t width, Type element);
  Storage allocateVector(int64_t size, Type element);
  Storage &of(Value value);
  Storage take(OpOperand &operand, Value result);
  bool canTake(OpOperand &operand);
  void copy(const Storage &from, const Storage &to);
  void fill(const Storage &to, Value element);
  Storage strip(const Storage &whole, Value number);
  int64_t padded(int64_t n) const { return (n + lanes - 1) / lanes * lanes; }
  Value address(Value base, Value index, Type element);
  Value elementAddress(const Storage &tile, Value row, Value col);
  Value loadVector(Value base, Value index, Type element);
  void storeVector(Value vector, Value base, Value index);
  Value loadScalar(Value base, Value index, Type element);
  Value registerOf(const Storage &vector, Value first);
  Value elementOf(const Storage &vector, Value index);
  void setRegister(Storage &vector, unsigned number, Value first, Value value);

  // Load.cpp: memory to tiles and back.
  template <typename OpT> Access accessOf(OpT op, Value row0 = {});
  std::pair<Value, Value> rowOf(const Access &access, Value r);
  void rowBlocks(const Access &access, const Storage &tile, function_ref<void(Value, bool)> body);
  LogicalResult emitLoad(attn::LoadOp op);
  LogicalResult emitStore(attn::StoreOp op);
  void loadRows(const Access &access, const Storage &tile);
  void loadStrips(const Access &access, const Storage &tile);
  void storeRows(const Access &access, const Storage &tile);
  void storeStrips(const Access &access, const Storage &tile);
  void storeElement(Value value, Value row, Value c, const Access &access);
  Value widen(Value value, Type to);
  Value narrow(Value value, Type to);
  Value scaled(Value value, Value scale);

  // Ahead.cpp: hints of what comes next.
  void fetchLine(const NextRows &rows, Value row, int64_t number);
  NextRows rowsAhead(const Ahead &ahead, Value from, int64_t count);
  void fetchRows(const NextRows &rows);
  void lookAhead(attn::LoadOp op, const Access &access, int64_t rows);
  void lookAhead(const Access &access, int64_t rows, bool write);
  void lookAheadOfChunk(attn::LoadOp op, const Access &access, int64_t rows);
  void fetchPart(scf::ForOp source, Value number);
  void fetchTurn(scf::ForOp loop);
  SharedRows takeDue(attn::ContractOp op);
  void listRows(SharedRows &shared);
  Value listOfTile(const SharedRows &shared, Value tile);
  Value rowOf(const NextRows &rows, Value r);
  void payDue(Block &block);
  template <typename OpT> bool isPlainTile(OpT op);
  bool knows(ValueRange values);
  bool knowsAllButRow(attn::LoadOp op);

  // Transpose.cpp: 8 by 8.
  void transposeIn(Value from, Value fromStride, Type element, Value to, Value toStride,
                   Value scale);
  void transposeOut(Value from, Value fromStride, Value to, Value toStride, Type element,
                    Value scale);

  // Shear.cpp: bands.
  LogicalResult emitShear(attn::ShearOp op);

  // Contract.cpp: products.
  struct RegisterTile;
  struct StripPart;
  ProductShape shapeOf(attn::ContractOp op) const;
  std::pair<int64_t, int64_t> tileOfRows(int64_t registers) const;
  using Epilogue =
      function_ref<void(Value col, int64_t rows, int64_t v0, int64_t vectors, Values &acc)>;
  LogicalResult emitContract(attn::ContractOp op);
  void contractStrip(attn::ContractOp op, const Storage &result, Epilogue epilogue, bool masked);
  void contractRows(attn::ContractOp op, const Storage &result);
  Value initial(attn::ContractOp op, Value at, int64_t offset, Value row);
  void productStep(const RegisterTile &tile, Value lanesAt, Value rowsAt, Values &acc);
  Values product(const RegisterTile &tile, Values acc, const SharedRows &next = {});
  std::pair<Value, Value> spanOf(attn::ContractOp op);
  std::optional<std::pair<Value, Value>> maskedSpan(attn::MapOp op);
  Value isMet(attn::ContractOp op, Value column, int64_t count);
  Values liveRegisters(attn::ContractOp op, int64_t first, int64_t count);
  void contractRegisters(attn::ContractOp op, const Storage &result, Epilogue epilogue,
                         const StripPart &part);
  void blocks(int64_t total, int64_t size, function_ref<void(Value, int64_t)> body);
  int64_t groupOf(int64_t registers) const;
  Storage transposed(const Storage &tile);
  void materialise(Value value);
  Storage rowByRow(const Storage &tile);

  // Map.cpp: maps and their reductions.
  attn::MapOp fusedMap(attn::ContractOp op);
  LogicalResult emitFused(attn::ContractOp contract, attn::MapOp map);
  LogicalResult emitMap(attn::MapOp op);
  void mapStrip(attn::MapOp op, const Storage &result, const Storage &reduced);
  LogicalResult mapStrips(attn::MapOp op, const Storage &result, const Storage &reduced);
  void mapRows(attn::MapOp op, const Storage &result, const Storage &reduced);
  Values rowRegisters(attn::MapOp map, Value first);
  Values stripArguments(attn::MapOp map, Values tiles, const Values &rows, Value col);
  Value tileRegister(const Storage &tile, Value at);
  Value insideLanes(Value x, int64_t count, Value outside);
  Storage inRegisters(const Storage &vector);
  Value combine(attn::Combine kind, Value x, Value y);
  Value neutral(attn::Combine kind);
  Value across(attn::Combine kind, Value x);

  // Evaluate.cpp: bodies on registers; vectors; scans.
  Value evaluate(attn::MapOp op, ArrayRef<Value> arguments);
  void inTurns(int64_t count, function_ref<void(int64_t)> emit);
  Value evaluateOp(Operation *op, DenseMap<Value, Value> &vectors);
  Value lookupVector(Value value, DenseMap<Value, Value> &vectors);
  Value quotient(Value x, Value divisor, bool mayBeLarge);
  Value gather(Operation *load, DenseMap<Value, Value> &vectors);
  Value asVector(Value scalar);
  LogicalResult emitElementwise(Operation *op);
  LogicalResult emitScan(attn::ScanOp op);
  LogicalResult emitSpan(attn::SpanOp op);

  // Exp2.cpp
  Value exponential(Operation *op, Value x);

  // Builders.
  Value index(int64_t value);
  Value plus(Value a, Value c);
  Value plus(Value a, int64_t c);
  Value times(Value a, int64_t c);
  Value splat(double value);
  VectorType vectorOf(Type element) { return VectorType::get(lanes, element); }
  Values loop(Value lo, Value hi, int64_t step, ValueRange init,
              function_ref<Values(Value, ValueRange)> body);

  ImplicitLocOpBuilder b;
  ModuleOp module;
  const TargetInfo &target;
  attn::ScheduleAttr schedule;
  std::string suffix;
  int64_t lanes, registerRows, registerVectors;
  Type f32, i32;

  IRMapping scalars; // scalars of the source function
  DenseMap<Value, Memory> memories;
  DenseMap<Value, Storage> storages;
  TileSequences sequences{b, scalars};
  Value prologueBytes;              // of the workspace
  DenseSet<Value> written;          // tensors that the function stores to
  bool revisits = false;            // each item goes over all keys
  SmallVector<Ahead> ahead;         // of the item, for its loops over tiles to fetch
  int64_t aheadRows = 0;            // of each
  SmallVector<NextRows> due;        // for the products of a block to fetch
  Block *dueIn = nullptr;           // that block
  DenseSet<Operation *> foreseen;   // stores whose place is fetched so
  SmallPtrSet<Operation *, 8> done; // emitted with another op
  Value scratchBase;
  int64_t scratch = 0; // bytes of an item
  unsigned stages = 0;
};

} // namespace heddle::cpu

#endif // HEDDLE_CODEGEN_CPU_EMITTER_H
