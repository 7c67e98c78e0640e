//===- ExplainCommand.cpp - heddle explain: what an error code means, and its cure -------------===//

#include "Commands.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace heddle;

namespace {
struct Explanation {
  StringRef code, kind, meaning, cure;
};

// Of LANGUAGE.md, section 5; then the statuses of heddle.h.
constexpr Explanation explanations[] = {
    {"syntax", "spec",
     "The file is not JSON, or an expression cannot be parsed. Comments, trailing commas, a byte "
     "order "
     "mark and a key given twice are no JSON here.",
     "Mend the text at the caret. Operators are those of C, but // is floor division and "
     "comparisons do "
     "not chain."},
    {"unknown_key", "spec", "An object has a key that this place does not know.",
     "Take the nearest key that the message offers, or drop it; specs/README.md lists all."},
    {"unknown_name", "spec",
     "An expression, a result or a size names something that is neither declared nor made by an "
     "earlier "
     "step.",
     "Declare it in dims, params, tensors or let, or move the step that makes it forward."},
    {"shadow", "spec",
     "A name would get a second meaning in one step, or a dim or param is called like a function "
     "or a "
     "reserved word.",
     "Rename one of the two. Tensors and scalars are two worlds: a tensor b and an index b do not "
     "clash."},
    {"type", "spec",
     "A value is not of the type that its place needs: a mask that is no bool, say.",
     "Compare or convert explicitly: `c ? 1 : 0` makes a number of a bool."},
    {"rank", "spec", "A read has more or fewer subscripts than its tensor has axes.",
     "Give one subscript per axis, in memory order; t[] reads a tensor without axes."},
    {"range", "spec",
     "One index stands alone on axes of different dims, so its range is not clear.",
     "Declare the index: \"declare\": [\"d < 2 * D\"], or write the subscript as an expression."},
    {"scope", "spec",
     "A name has no value here: an index of another step, kv_idx in gate, pos without q_idx.",
     "Use what the table of the key allows; statistics exist in weight and gate only."},
    {"cycle", "spec", "Dims or lets need each other in a circle.",
     "Break the circle: one of them must stand alone."},
    {"missing", "spec", "A required key is not there.", "Add it; the message names it."},
    {"size", "spec",
     "A size is negative, not known where it must be, breaks a require, or heads are no multiple "
     "of key "
     "heads.",
     "Give the size: in the spec, by --size D=64 (compiled in) or --shape N=512 (of the call)."},
    {"later", "spec", "The language has a word for it, but this compiler cannot do it yet.",
     "The message says what to write instead, where there is a way."},
    {"too_large", "spec",
     "A limit of the language is passed: 1 MiB of file, 32 levels, 64 steps, 8 axes, 4096 nodes, D "
     "of "
     "1024, sizes of 2^31 - 1.",
     "Split the spec, or make the size smaller."},
    {"bad_args", "call",
     "args is null, it or exec is of a size that this library does not know, or threads is "
     "negative.",
     "Fill in struct_size, and rebuild against the header that came with the library."},
    {"null_tensor", "call", "A tensor, its shape or its data is null.",
     "Pass every tensor that NAME_args has."},
    {"bad_rank", "call", "A tensor has another number of axes than the spec says.",
     "Reshape it; strides may do that without a copy."},
    {"bad_shape", "call", "Sizes disagree with the spec or with each other.",
     "The message names tensor, axis and both sizes."},
    {"bad_type", "call", "A tensor has another element type than the spec says.",
     "Convert it, or change the type in the spec and compile again."},
    {"bad_stride", "call", "The innermost stride is not 1, or a result overlaps itself.",
     "Copy the tensor, or order its axes so that the last one is contiguous."},
    {"misaligned", "call", "Data is not aligned to its element.",
     "Allocate it aligned, or copy it."},
    {"overlap", "call", "A result shares memory with another tensor.",
     "Give results memory of their own."},
    {"workspace_too_small", "call", "The workspace has fewer bytes than the call needs.",
     "Ask NAME_workspace for the number first; it depends on sizes and threads."},
    {"requirement", "call", "A `require` of the spec does not hold for these sizes.",
     "Call with sizes that it allows; nothing has run."},
    {"unsupported_cpu", "call", "The library has no code for this processor.",
     "Compile with a target that it has: --target=x86-64-v3 needs AVX2 and FMA."},
    {"bad_device", "call",
     "Tensors are on several devices, or on one that the library has no code for.",
     "Move them, or compile with a target such as sm_80."},
    {"no_driver", "call", "libcuda cannot be opened, or has no device.",
     "Install the driver, or run `heddle run --device=emulator`."},
    {"driver_error", "call", "libcuda said no; its words are in the message.",
     "An old driver refuses new PTX: update it, or compile for an older target."},
    {"out_of_memory", "call", "There was no memory for a pool, a device or a module.",
     "Free some."},
};
} // namespace

int heddle::runExplain(const opt::InputArgList &args) {
  std::vector<std::string> words = args.getAllArgValues(OPT_INPUT);
  if (words.empty()) {
    for (const Explanation &e : explanations)
      outs() << formatv("{0,-20} {1}: {2}\n", e.code, e.kind, e.meaning.split('.').first);
    return exitOk;
  }
  for (StringRef word : words) {
    const Explanation *found =
        find_if(explanations, [&](auto &e) { return e.code == word.lower(); });
    if (found == std::end(explanations)) {
      const Explanation *near =
          std::min_element(std::begin(explanations), std::end(explanations), [&](auto &a, auto &b) {
            return word.edit_distance(a.code) < word.edit_distance(b.code);
          });
      bool close = word.edit_distance(near->code) < 4;
      printError(
          "no error has the code '" + word + "'" +
          (close ? "; did you mean '" + near->code + "'?" : "; `heddle explain` lists them"));
      return exitUsage;
    }
    outs() << found->code << ": " << found->meaning << "\ncure: " << found->cure << "\n";
  }
  return exitOk;
}
