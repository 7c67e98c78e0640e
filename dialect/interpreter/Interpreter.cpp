//===- Interpreter.cpp - the main loop ---------------------------------------------------------===//

#include "dialect/interpreter/Interpreter.h"
#include "dialect/interpreter/Machine.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace heddle;

bool Machine::fail(Operation *op, const Twine &what) {
  llvm::raw_string_ostream out(error);
  out << op->getLoc() << ": " << op->getName() << ": " << what.str();
  return false;
}

void Machine::set(Operation *op, Slots results) {
  for (auto [result, slot] : llvm::zip_equal(op->getResults(), results))
    env[result] = std::move(slot);
}

bool Machine::run(Block &block, Slots arguments, Slots &results) {
  for (auto [argument, slot] : llvm::zip_equal(block.getArguments(), arguments))
    env[argument] = std::move(slot);
  for (Operation &op : block.without_terminator())
    if (!eval(&op))
      return false;
  results.clear();
  for (Value value : block.getTerminator()->getOperands())
    results.push_back(env[value]);
  return true;
}

bool Machine::eval(Operation *op) {
  bool known = false;
  if (isa<arith::ConstantOp>(op))
    return evalConstant(op);
  if (isa<affine::AffineApplyOp, affine::AffineMinOp, affine::AffineMaxOp>(op))
    return evalAffine(op);
  if (!evalElementwise(op, known) || known)
    return error.empty();
  if (!evalMemory(op, known) || known)
    return error.empty();
  if (!evalTile(op, known) || known)
    return error.empty();
  if (auto attend = dyn_cast<attn::AttendOp>(op))
    return evalAttend(attend);
  if (auto recur = dyn_cast<attn::RecurOp>(op))
    return evalRecur(recur);
  return fail(op, "cannot be interpreted");
}

bool Machine::runFunction(func::FuncOp function, MutableArrayRef<Array> arguments) {
  Block &entry = function.front();
  if (entry.getNumArguments() != arguments.size())
    return fail(function, "expected " + Twine(entry.getNumArguments()) + " arguments, got " +
                              Twine(arguments.size()));
  Slots slots;
  std::vector<std::shared_ptr<Array>> memories(arguments.size());
  for (auto [i, argument] : llvm::enumerate(arguments)) {
    auto type = dyn_cast<ShapedType>(entry.getArgument(i).getType());
    if (!type) {
      slots.push_back(Slot(argument));
      continue;
    }
    if (size_t(type.getRank()) != argument.shape.size())
      return fail(function, "argument " + Twine(i) + " has another rank");
    memories[i] = std::make_shared<Array>(std::move(argument));
    slots.push_back(Slot(memories[i]));
  }
  Slots results;
  bool good = run(entry, slots, results);
  for (auto [i, memory] : llvm::enumerate(memories))
    if (memory)
      arguments[i] = std::move(*memory);
  return good;
}

bool heddle::interpret(func::FuncOp function, MutableArrayRef<Array> arguments,
                       const InterpreterOptions &options, std::string &error) {
  Machine machine(options);
  bool good = machine.runFunction(function, arguments);
  error = machine.error;
  return good;
}
