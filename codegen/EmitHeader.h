//===- EmitHeader.h - what a program includes, and what a tool reads ---------------------------===//

#ifndef HEDDLE_CODEGEN_EMITHEADER_H
#define HEDDLE_CODEGEN_EMITHEADER_H

#include "codegen/Variants.h"
#include "llvm/ADT/ArrayRef.h"

namespace heddle {

/// NAME.h: the args of a call, the functions of the library, and a flat function for contiguous tensors.
std::string emitHeader(const Spec &spec);

/// NAME.manifest.json: the call as data, variants with schedules and symbols, the numeric contract.
std::string emitManifest(const Spec &spec, llvm::ArrayRef<Variant> variants);

/// Dims that are arguments of the call, in the order of the file.
std::vector<const SpecDim *> argumentDims(const Spec &spec);

/// The 8-byte words of NAME_args behind struct_size, by name; the last is `exec`.
std::vector<std::string> argumentWords(const Spec &spec);

} // namespace heddle

#endif // HEDDLE_CODEGEN_EMITHEADER_H
