//===- InterpretPass.h - heddle-opt's door to the interpreter ------------------------------===//

#ifndef HEDDLE_DIALECT_INTERPRETER_INTERPRETPASS_H
#define HEDDLE_DIALECT_INTERPRETER_INTERPRETPASS_H

namespace heddle::attn {

/// Registers `--attn-interpret`.
void registerInterpret();

} // namespace heddle::attn

#endif // HEDDLE_DIALECT_INTERPRETER_INTERPRETPASS_H
