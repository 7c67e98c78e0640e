//===- AttnAttrs.td - enums and attributes: normalisers, rules, the schedule -------------------===//

#ifndef HEDDLE_DIALECT_ATTNATTRS_TD
#define HEDDLE_DIALECT_ATTNATTRS_TD

include "dialect/AttnDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

class Attn_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::heddle::attn";
  let genSpecializedAttr = 0;
}

def Attn_NormaliserEnum : Attn_Enum<"Normaliser", "what turns scores into weights", [
    I32EnumAttrCase<"softmax", 0>, I32EnumAttrCase<"map", 1>]>;
def Attn_NormaliserAttr : EnumAttr<Attn_Dialect, Attn_NormaliserEnum, "normaliser">;

def Attn_RuleEnum : Attn_Enum<"Rule", "how a token changes the state of a recurrence", [
    I32EnumAttrCase<"add", 0>]>;
def Attn_RuleAttr : EnumAttr<Attn_Dialect, Attn_RuleEnum, "rule">;

def Attn_FormEnum : Attn_Enum<"Form", "how the state of a recurrence goes from chunk to chunk", [
    I32EnumAttrCase<"carried", 0>, I32EnumAttrCase<"two_level", 1>]>;
def Attn_FormAttr : EnumAttr<Attn_Dialect, Attn_FormEnum, "form">;

def Attn_OutputEnum : Attn_Enum<"Output", "what an attention step can write", [
    I32EnumAttrCase<"out", 0>, I32EnumAttrCase<"lse", 1>, I32EnumAttrCase<"state", 2>,
    I32EnumAttrCase<"sum", 3>]>;

// Plain enums: an op writes them as bare keywords.
def Attn_Combine : I32EnumAttr<"Combine", "an associative, commutative operation", [
    I32EnumAttrCase<"max", 0>, I32EnumAttrCase<"add", 1>, I32EnumAttrCase<"mul", 2>]> {
  let cppNamespace = "::heddle::attn";
}
def Attn_Axis : I32EnumAttr<"Axis", "one result for each of these", [
    I32EnumAttrCase<"row", 0>, I32EnumAttrCase<"col", 1>]> {
  let cppNamespace = "::heddle::attn";
}

def Attn_CpuScheduleAttr : AttrDef<Attn_Dialect, "CpuSchedule"> {
  let mnemonic = "cpu";
  let summary = "what only a CPU needs to know: the register tile";
  let description = [{
    `lanes` f32 values of one vector register, `rows` broadcast elements by `vectors` registers of
    accumulators, the degree of the polynomial of exp2 (4 to 6).
  }];
  let parameters = (ins "int64_t":$lanes, "int64_t":$rows, "int64_t":$vectors,
                        "int64_t":$exp_degree);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Attn_LayoutEnum : Attn_Enum<"Layout", "where a tile's elements are, and in which order", [
    I32EnumAttrCase<"row_major", 0>, I32EnumAttrCase<"strip_major", 1>, I32EnumAttrCase<"thread", 2>,
    I32EnumAttrCase<"block", 3>, I32EnumAttrCase<"memory", 4>]>;

def Attn_HomeAttr : AttrDef<Attn_Dialect, "Home"> {
  let mnemonic = "home";
  let summary = "where a mapping has put a tile";
  let description = [{
    On a CPU, in scratch, `row_major`: rows of consecutive columns. `strip_major`: strips of `width` rows, in each the rows of
    one column are consecutive, so that vector lanes run along rows; a tile of one strip is transposed.
    On a GPU, `thread`: rows t, t + T, .. in thread t's own memory. `block`: in shared memory, or where
    that is full in the block's slice of the workspace. `memory`: read in place.
    ```mlir
    %q = attn.load %Q[%b, %h, %q0, 0] rows(%N) {attn.homes = [#attn.home<strip_major, 48>]} ...
    ```
  }];
  let parameters = (ins EnumParameter<Attn_LayoutEnum>:$layout,
                        DefaultValuedParameter<"int64_t", "0">:$width);
  let assemblyFormat = "`<` $layout (`,` $width^)? `>`";
}

def Attn_GpuScheduleAttr : AttrDef<Attn_Dialect, "GpuSchedule"> {
  let mnemonic = "gpu";
  let summary = "what only a GPU needs to know: the threads of a block";
  let parameters = (ins "int64_t":$threads);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Attn_ScheduleAttr : AttrDef<Attn_Dialect, "Schedule"> {
  let mnemonic = "schedule";
  let summary = "how one step is computed; written by ChooseSchedule, read by all later passes";
  let description = [{
    `query` x `key` positions of a tile, `strip` rows of a strip; `chunk` tokens of a recurrence and
    `columns` of its value at a time (0: all), `form` of its state; `stages` of loads in flight
    (1: none ahead). Filled for every machine; behind it what only a CPU or only a GPU reads.

    - (C1) all sizes are positive, `columns` is not negative.
    - (C2) `strip` divides `query`.
    ```mlir
    #attn.schedule<query = 192, key = 128, strip = 48, chunk = 32, columns = 0, stages = 1,
                   form = carried, cpu = <lanes = 16, rows = 8, vectors = 3, exp_degree = 5>>
    ```
  }];
  let parameters = (ins "int64_t":$query, "int64_t":$key, "int64_t":$strip, "int64_t":$chunk,
                        "int64_t":$columns, "int64_t":$stages,
                        EnumParameter<Attn_FormEnum>:$form,
                        OptionalParameter<"CpuScheduleAttr">:$cpu,
                        OptionalParameter<"GpuScheduleAttr">:$gpu);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1; // C1, C2
}

#endif // HEDDLE_DIALECT_ATTNATTRS_TD
