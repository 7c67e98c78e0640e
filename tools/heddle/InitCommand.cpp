//===- InitCommand.cpp - heddle init: a spec to start from --------------------------------------===//

#include "Commands.h"
#include "Files.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace heddle;

namespace {
struct Family {
  StringRef name, text;
};

// JSON has no comments: "about" says what a line is for, and never reaches the code.
// clang-format off
constexpr StringLiteral tensors = R"json(  "dims": {"B": "any", "H": "any", "Hkv": "any", "N": "any", "M": "any", "D": 64},
  "tensors": {
    "q": {"dims": ["B", "H", "N", "D"], "type": "f32", "about": "memory order; strides come at run time"},
    "k": {"dims": ["B", "Hkv", "M", "D"], "type": "f32", "about": "H / Hkv heads share a key head"},
    "v": {"dims": ["B", "Hkv", "M", "D"], "type": "f32"}
  },
)json";
constexpr StringLiteral example = R"json(  "example": {"B": 1, "H": 4, "Hkv": 2, "N": 100, "M": 100}
)json";

constexpr Family families[] = {
    {"softmax", R"json(  "steps": [
    {"attend": {"query": "q", "key": "k", "value": "v", "score": "score", "mask": "causal"},
     "about": "score sees the scaled product: try cap * tanh(score / cap). mask: window(W, 0), any bool",
     "as": {"out": "o", "lse": "l"}}
  ],
  "results": {"o": "f32", "l": "f32"},
)json"},
    {"sparse", R"json(  "params": {"W": 64, "sinks": 4},
  "steps": [
    {"attend": {"query": "q", "key": "k", "value": "v",
                "mask": "causal && (pos - kv_idx <= W || kv_idx < sinks)"},
     "about": "tiles that the mask empties are never visited: nothing of size N x M is built",
     "as": "o"}
  ],
  "results": {"o": "f32"},
)json"},
    {"map", R"json(  "params": {"bias": -4.0},
  "steps": [
    {"attend": {"query": "q", "key": "k", "value": "v", "mask": "causal",
                "score": "score + bias", "normalize": {"map": "sigmoid(score)"}},
     "about": "no softmax: every kept weight is map(score); divide may use sum",
     "as": "o"}
  ],
  "results": {"o": "f32"},
)json"},
    {"select", R"json(  "params": {"K": 2, "w": 20},
  "require": ["M % w == 0"],
  "steps": [
    {"compute": {"index": ["b < B", "h < Hkv", "g < M // w", "d < D"], "over": ["j < w"], "with": "mean",
                 "value": "k[b, h, g * w + j, d]"}, "about": "a summary of each block of keys", "as": "mean"},
    {"select": {"index": ["b < B", "h < H", "n < N"], "over": ["g < M // w"], "count": "K",
                "value": "dot(q[b, h, n, :], mean[b, h // (H // Hkv), g, :])"},
     "about": "the K best blocks of every query", "as": {"keep": "keep"}},
    {"attend": {"query": "q", "key": "k", "value": "v", "mask": "keep[b, h, q_idx, kv_idx // w]"}, "as": "o"}
  ],
  "results": {"o": "f32"},
)json"},
};

constexpr StringLiteral linear = R"json(  "dims": {"B": "any", "H": "any", "N": "any", "D": 64, "Dv": 64},
  "tensors": {
    "q": {"dims": ["B", "H", "N", "D"], "type": "f32"},
    "k": {"dims": ["B", "H", "N", "D"], "type": "f32"},
    "v": {"dims": ["B", "H", "N", "Dv"], "type": "f32"},
    "g": {"dims": ["B", "H", "N"], "type": "f32", "range": [-1, 0], "about": "logarithm of the decay"}
  },
  "steps": [
    {"recur": {"query": "rsqrt(D) * q[b, h, t, d]", "key": "k", "value": "v", "decay": "exp(g[b, h, t])"},
     "about": "S = decay S + k v'; out = q S. rule: delta, momentum; state hands on to `initial`",
     "as": {"out": "o", "state": "s"}}
  ],
  "results": {"o": "f32", "s": "f32"},
  "example": {"B": 1, "H": 2, "N": 100}
)json";
// clang-format on

std::string specOf(StringRef name, StringRef family) {
  std::string text = "{\n  \"heddle\": 1, \"name\": \"" + name.str() +
                     "\",\n  \"about\": \"what it is, and where it comes from\",\n";
  if (family == "linear")
    return text + linear.str() + "}\n";
  const Family *found = find_if(families, [&](auto &f) { return f.name == family; });
  return text + tensors.str() + found->text.str() + example.str() + "}\n";
}

bool isName(StringRef name) {
  return !name.empty() && name.size() <= 63 && isLower(name.front()) &&
         all_of(name, [](char c) { return isLower(c) || isDigit(c) || c == '_'; });
}
} // namespace

int heddle::runInit(const opt::InputArgList &args) {
  std::vector<std::string> words = args.getAllArgValues(OPT_INPUT);
  if (words.size() != 1) {
    printError("init takes one NAME: `heddle init my_attention`");
    return exitUsage;
  }
  StringRef name = words.front(), family = args.getLastArgValue(OPT_family, "softmax");
  if (!isName(name)) {
    printError("'" + name + "' is no name of a spec: it must match [a-z][a-z0-9_]{0,62}");
    return exitUsage;
  }
  if (family != "linear" && none_of(families, [&](auto &f) { return f.name == family; })) {
    printError("unknown family '" + family + "'; there are softmax, sparse, map, linear, select");
    return exitUsage;
  }
  std::string path = args.getLastArgValue(OPT_to, (name + ".json").str()).str();
  if (path != "-" && sys::fs::exists(path)) {
    printError(path + " exists; it is left as it is");
    return exitUsage;
  }
  if (Error error = writeFile(path, specOf(name, family))) {
    printError(toString(std::move(error)));
    return exitUsage;
  }
  if (path != "-")
    outs() << "wrote " << path << "; try: heddle run " << path << "\n";
  return exitOk;
}
