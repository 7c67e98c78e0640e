"""CASES of papers 20 to 38: spec -> (shapes to try, oracle)."""
from __future__ import annotations

from typing import Any, Callable, Optional
import numpy as np

from .common_20_38 import *
from .oracles_20_29 import *
from .oracles_30_38 import *

# ---------------------------------------------------------------- shapes

GQA = sizes("B H Hkv N M D Dv", (2, 6, 3, 7, 13, 5, 3), (1, 4, 1, 11, 9, 8, 7), (1, 1, 1, 1, 1, 1, 1))
SELF = sizes("B H N D Dv", (2, 6, 13, 5, 3), (1, 4, 17, 8, 7), (1, 2, 1, 1, 1))
HEAD = sizes("B H N D Dv E", (2, 3, 9, 5, 4, 6), (1, 2, 13, 3, 7, 5), (1, 1, 1, 1, 1, 1))
EXPERT = sizes("B N C X H D Dv", (2, 7, 6, 3, 2, 5, 4), (1, 11, 5, 1, 3, 3, 7), (3, 1, 1, 2, 1, 1, 1))
BLOCK = [{"s": 5}, {"s": 3}, {"s": 3}]
RANK = sizes("B H Hkv N D Dv W", (2, 4, 2, 5, 5, 3, 3), (1, 3, 1, 7, 8, 7, 4), (1, 2, 2, 1, 1, 1, 2),
             params=[{"rank": 1}, {"rank": 3}, {"rank": 0}])

CASES: dict[str, tuple[Shapes, Callable[[Inputs, dict], Inputs]]] = {
    "duo_prefill": (GQA, lambda x, c: {"o": P.duoattention(x["q"], x["k"], x["v"], x["whole"], c["sink"], c["recent"])}),
    "duo_block": (sizes("B H Hkv N M D Dv", (2, 6, 3, 16, 24, 5, 3), (1, 4, 2, 13, 27, 8, 7), (1, 1, 1, 1, 1, 1, 1), (1, 3, 3, 19, 19, 3, 2), (1, 2, 1, 13, 5, 3, 2),
                              (1, 6, 6, 11, 12, 3, 2), params=[{}, {"block": 3, "first": 2, "near": 1}, {}, {"near": 3}, {"block": 3, "near": 1}, {"near": 1}]), duo_block),
    "duo_train": (sizes("B H Hkv N D Dv", (2, 6, 2, 13, 5, 3), (1, 4, 1, 17, 8, 7), (1, 1, 1, 1, 1, 1), (1, 12, 12, 9, 2, 3)), duo_train),
    "duo_decode": (sizes("B H F S N M D Dv", (3, 6, 1, 2, 1, 9, 5, 3), (2, 4, 2, 2, 7, 11, 8, 7), (2, 2, 0, 1, 3, 2, 1, 1), (1, 3, 3, 0, 2, 5, 3, 2),
                         params=[{}, {"sink": 1, "recent": 4}, {"sink": 0, "recent": 2}, {}]), duo_decode),
    "duo_decode_int4": (sizes("B H Hkv N M D Dv", (3, 6, 3, 1, 13, 6, 4), (2, 4, 1, 3, 11, 8, 2), (1, 1, 1, 1, 1, 2, 2)), duo_decode_int4),
    "circuit_export": ([({**s, "R": n + 1}, {}) for n, (s, _) in enumerate(HEAD)], circuit_export),
    "circuit_low_rank": ([({**s, "r": n + 1}, {}) for n, (s, _) in enumerate(HEAD)], circuit_low_rank),
    "dsf_linear": (SELF, dsf_linear),
    "dsf_normalised": (SELF, dsf_normalised),
    "dsf_s6": (sizes("B N C D", (2, 9, 3, 4), (1, 17, 1, 5), (3, 1, 4, 1)), dsf_s6),
    "dsf_qlstm": (sizes("B N C", (2, 9, 5), (1, 17, 1), (3, 1, 4), (2, 5, 3),
                        params=[{}, {"reverse": False}, {"alpha": -0.3}, {"alpha": 1.5}]), dsf_qlstm),
    "dsf_qlstm_block": (sizes("B N E C", (2, 9, 4, 5), (1, 3, 1, 6), (3, 1, 2, 1)), dsf_qlstm_block),
    "circuit_patch": (SELF, circuit_patch),
    "circuit_override": ([({**s, "L": n + 1}, {}) for n, (s, _) in enumerate(SELF)], circuit_override),
    "combiner_full": (sizes("B H N D Dv", (2, 3, 15, 5, 3), (1, 2, 21, 8, 7), (1, 1, 3, 1, 1), (1, 2, 12, 4, 3), params=[*BLOCK, {"own": True}]),
                      lambda x, c: {"o": P.combiner(x["q"], x["k"], x["v"], c["s"], False, bool(c["own"]))}),
    "combiner_logsparse": (sizes("B H N D Dv", (2, 3, 13, 5, 3), (1, 2, 33, 8, 7), (1, 1, 1, 1, 1), (1, 1, 2, 3, 2), params=[{}, {}, {"L": 1}, {"L": 1}]),
                           lambda x, c: {"o": P.combiner_logsparse(x["q"], x["k"], x["v"])}),
    "combiner_axial": (sizes("B H Y X D Dv", (2, 3, 3, 5, 4, 3), (1, 2, 5, 2, 8, 7), (1, 1, 1, 1, 1, 1)), combiner_axial),
    "combiner_mixture": (sizes("B H Y X D Dv", (2, 2, 3, 5, 4, 3), (1, 2, 5, 2, 8, 7), (1, 1, 1, 1, 1, 1), (1, 1, 4, 1, 3, 2)), combiner_mixture),
    "combiner_decode": (sizes("B H s R D Dv", (3, 2, 5, 4, 4, 3), (2, 1, 3, 7, 8, 7), (1, 1, 1, 1, 1, 1)), combiner_decode),
    "spectformer_mha": (sizes("B N H D", (2, 13, 3, 5), (1, 17, 2, 8), (1, 1, 1, 1)),
                        lambda x, c: {"o": heads_last(sdpa(*(heads_last(x[n]) for n in "qkv")))}),
    "spectformer_class": (sizes("B N C H D", (2, 13, 6, 3, 5), (1, 17, 5, 2, 8), (3, 1, 1, 1, 1)), spectformer_class),
    "mambaout": (sizes("B Y X C Hd Cc", (2, 5, 4, 6, 16, 6), (1, 9, 3, 5, 7, 3), (1, 1, 1, 2, 3, 3), params=[{}, {"K": 3}, {}]), mambaout),
    "oat_pointer": (sizes("B N M E P", (2, 3, 5, 8, 2), (1, 7, 11, 3, 1), (3, 1, 1, 1, 3)), oat_pointer),
    "oat_step": (sizes("B M E P F", (3, 5, 8, 2, 3), (2, 11, 3, 1, 2), (2, 1, 1, 3, 1)), oat_step),
    "oat_decoder": (sizes("B H N M D", (2, 3, 5, 7, 4), (1, 2, 9, 3, 5), (3, 1, 1, 1, 2)), oat_decoder),
    "lightning_2_layer": (sizes("B N H D Dv R", (2, 13, 3, 5, 3, 4), (1, 17, 2, 8, 7, 1), (1, 1, 1, 1, 2, 2)), lightning_2_layer),
    "lama": (sizes("B N D A", (2, 9, 5, 3), (3, 17, 8, 1), (1, 1, 1, 2)), lama),
    "lama_context": (sizes("B N D A", (2, 9, 5, 3), (3, 17, 8, 1), (1, 1, 1, 2)), lama),
    "var_decode": (sizes("B H N M D Dv", (2, 3, 1, 13, 5, 3), (1, 4, 3, 17, 8, 7), (1, 1, 1, 1, 1, 1), (2, 2, 2, 15, 4, 3),
                         *[(1, 2, 2, 9, 3, 2)] * 6, params=[{"rho": 0.9}, {"im": 3, "n_im": 9, "least": 0.05, "rho": 0.8}, {}, {"im": 0, "n_im": 15}]
                         + [{"im": n, "n_im": 1, "least": 0.0} for n in range(1, 7)]), var_decode),
    "var_sinks": (sizes("M E n", (11, 8, 2), (17, 5, 3), (1, 1, 1), params=[{}, {"tau": 1.4}, {"tau": 0.5}]),
                  lambda x, c: {"sink": P.visual_attention_sink_var_sinks(x["h"], x["at"], c["tau"], c["eps"])}),
    "pointer_step": (sizes("B M E A F", (3, 7, 4, 5, 2), (2, 5, 1, 3, 1), (3, 1, 2, 1, 4)), pointer_step),
    "pointer_loss": (sizes("B N M E A", (2, 3, 7, 4, 5), (1, 9, 5, 1, 3), (3, 1, 1, 2, 1)), pointer_loss),
    "dyvte_gate": (sizes("N E A", (9, 4, 5), (13, 3, 7), (3, 1, 1), params=[{}, {"im": 0, "n_im": 7}, {"im": 0, "n_im": 1}]), dyvte_gate),
    "dyvte_exit": (sizes("H N D Dv", (3, 11, 4, 3), (2, 17, 8, 5), (1, 2, 2, 1), (1, 7, 2, 2), params=[{}, {"im": 0, "n_im": 9}, {"im": 0, "n_im": 1}, {}]), dyvte_exit),
    "dyvte_decode": (sizes("B H N M D Dv", (3, 2, 1, 9, 4, 3), (2, 3, 5, 13, 6, 7), (1, 1, 1, 1, 2, 1)), dyvte_decode),
    "sae_heads": (HEAD, sae_heads),
    "sae_codes": (sizes("P H E F", (8, 3, 6, 5), (10, 2, 3, 2), (2, 1, 1, 1), (12, 4, 4, 3)), sae_codes),
    "bam": (EXPERT, bam),
    "bam_experts": (EXPERT, bam),
    "bam_decode": ([({**s, "M": m}, {}) for (s, _), m in zip(EXPERT, (5, 9, 1))], bam_decode),
    "sparsifiner": (sizes("B H N D Dv C R", (2, 3, 13, 5, 3, 2, 10), (1, 2, 17, 8, 7, 4, 3), (1, 1, 1, 1, 1, 1, 1), (1, 2, 9, 4, 3, 2, 6),
                          params=[{}, {"top": 2, "share": 0.4, "least": 0.5}, {}, {"top": 1, "least": 0.8, "share": 0.5}]), sparsifiner),
    "sparsifiner_prune": (sizes("B H N D E", (2, 3, 9, 5, 4), (1, 2, 17, 8, 3), (3, 1, 2, 1, 1), params=[{}, {"K": 7}, {}]), sparsifiner_prune),
    "lasp_2_full": (sizes("B H N D Dv W", (2, 3, 15, 5, 3, 5), (1, 1, 14, 8, 7, 2), (1, 2, 3, 1, 1, 1)),
                    lambda x, c: {"o": P.lasp_2(x["q"], x["k"], x["v"], c["W"], False)}),
    "lasp_2_state": (SELF, lambda x, c: {"s": T(x["k"]) @ x["v"]}),
    "lasp_2_rank": (RANK, lasp_2_rank),
    "lasp_2h_rank": (RANK, lasp_2h_rank),
    "lasp_2_backward": (RANK, lasp_2_backward),
    "acmil": (sizes("N E A K", (21, 6, 5, 3), (13, 3, 1, 5), (1, 1, 2, 1)), acmil),
    "acmil_train": (sizes("N E A K", (21, 6, 5, 3), (7, 3, 1, 5), (1, 1, 2, 2), (9, 4, 3, 2), params=[{}, {}, {}, {"T": 4, "ratio": 1.0}]), acmil_train),
    "acmil_mha": (sizes("N H D K", (13, 3, 4, 3), (7, 2, 5, 1), (1, 1, 2, 2)), acmil_mha),
    "hip_decode": (sizes("B H Hkv M D Dv", (1, 2, 1, 31, 5, 3), (2, 3, 3, 40, 3, 2), (1, 1, 1, 1, 4, 1), (1, 4, 2, 53, 2, 3), (5, 8, 2, 54, 2, 1),
                         params=[{}, {"K": 3}, {}, {"bk": 1, "sink": 1, "W": 3, "K": 4}, {"bk": 3, "sink": 3, "K": 3}]), hip_decode),
    "hip_reuse": (sizes("B H Hkv M D Dv", (1, 2, 1, 31, 5, 3), (2, 3, 3, 40, 3, 2), (1, 1, 1, 3, 4, 1), (1, 4, 2, 53, 2, 3), (1, 1, 1, 2, 2, 1),
                        (2, 4, 2, 9, 3, 2), params=[{}, {"K": 3}, {}, {"bk": 3, "sink": 4, "W": 5}, {"sink": 3, "W": 1}, {"K": 3, "sink": 1, "W": 1}]), hip_reuse),
}
