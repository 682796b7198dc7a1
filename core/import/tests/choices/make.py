"""Writes tiny random models of CTranslate2, one for each choice of its specification, and what the peer makes of them.

    pip install ctranslate2==4.8.5 numpy && python make.py

Each folder NAME has `model.bin`, `config.json` and `expected.json`: for a few sources the tokens of greedy search with the log-probabilities
of every token at every step, and four hypotheses of a beam of four with their scores. Everything is float32.
"""
import json
import os
import shutil
import tempfile

import ctranslate2
import numpy as np
from ctranslate2.specs import common_spec, transformer_spec

TOKENS = ["<unk>", "<s>", "</s>", "▁a", "▁b", "▁c", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]
WIDTH, HEADS, INNER = 8, 2, 10
SOURCES = [["▁a"], ["▁b", "c", "a", "▁c", "j"], ["▁c", "a", "b", "d", "e", "f", "▁a", "g", "h", "i", "▁b", "j"]]
ACTIVATION = common_spec.Activation
Encoder, Decoder = transformer_spec.TransformerEncoderSpec, transformer_spec.TransformerDecoderSpec

CASES = {
    "gated-silu-rms": dict(both=dict(ffn_glu=True, rms_norm=True, activation=ACTIVATION.SWISH)),
    "gated-gelu-post": dict(both=dict(ffn_glu=True, pre_norm=False, activation=ACTIVATION.GELU)),
    "gelu-sigmoid": dict(both=dict(activation=ACTIVATION.GELUSigmoid)),
    "rotary-halves": dict(both=dict(rotary_dim=0, rotary_interleave=False, rotary_base=100)),
    "rotary-neighbours": dict(both=dict(rotary_dim=2, rotary_interleave=True)),
    "relative-vectors": dict(both=dict(relative_position=True), most=3),
    "alibi": dict(decoder=dict(alibi=True)),
    # As T5 of version 1.1: heads that are wider than the model, no factor of scores, a factor of outputs.
    "t5": dict(
        both=dict(ffn_glu=True, rms_norm=True, relative_attention_bias=True, head_dim=6, activation=ACTIVATION.GELUTanh),
        buckets=8,
        most=6,
        t5=True,
    ),
}


class Maker:
    def __init__(self, case, seed):
        self.case, self.random = case, np.random.default_rng(seed)
        self.is_t5 = case.get("t5", False)
        self.inner = case.get("both", {}).get("head_dim", WIDTH // HEADS) * HEADS

    def numbers(self, *shape, scale=0.6, centre=0.0):
        return (centre + scale * self.random.standard_normal(shape)).astype(np.float32)

    def linear(self, spec, rows, columns, bias=True):
        spec.weight = self.numbers(rows, columns)
        if bias:
            spec.bias = self.numbers(rows, scale=0.3)

    def norm(self, spec):
        spec.gamma = self.numbers(WIDTH, scale=0.2, centre=1.0)
        if hasattr(spec, "beta"):
            spec.beta = self.numbers(WIDTH, scale=0.2)

    def attention(self, spec, own):
        parts = [(3 * self.inner, WIDTH)] if own else [(self.inner, WIDTH), (2 * self.inner, WIDTH)]
        for linear, (rows, columns) in zip(spec.linear, parts + [(WIDTH, self.inner)]):
            self.linear(linear, rows, columns, bias=not self.is_t5)
        self.norm(spec.layer_norm)
        if self.is_t5:
            spec.queries_scale = np.dtype("float32").type(1)
        if hasattr(spec, "relative_position_keys"):
            shape = (2 * self.case["most"] + 1, self.inner // HEADS)
            spec.relative_position_keys, spec.relative_position_values = self.numbers(*shape), self.numbers(*shape)
        if hasattr(spec, "relative_attention_bias"):
            spec.relative_attention_bias = self.numbers(self.case["buckets"], HEADS)
            spec.relative_attention_max_distance = np.dtype("int32").type(self.case["most"])

    def layer(self, spec):
        self.attention(spec.self_attention, True)
        if hasattr(spec, "attention"):
            self.attention(spec.attention, False)
        gated = hasattr(spec.ffn, "linear_0_noact")
        self.linear(spec.ffn.linear_0, INNER, WIDTH, bias=not gated)
        if gated:
            self.linear(spec.ffn.linear_0_noact, INNER, WIDTH, bias=not self.is_t5)
        self.linear(spec.ffn.linear_1, WIDTH, INNER, bias=not self.is_t5)
        self.norm(spec.ffn.layer_norm)

    def model(self):
        both = self.case.get("both", {})
        encoder, decoder = Encoder(1, HEADS, **both), Decoder(1, HEADS, **both, **self.case.get("decoder", {}))
        embedding = self.numbers(len(TOKENS), WIDTH)
        encoder.embeddings[0].weight = decoder.embeddings.weight = embedding
        decoder.projection.weight = self.numbers(len(TOKENS), WIDTH)  # one of its own: tied ones repeat themselves
        if self.is_t5:
            encoder.scale_embeddings = decoder.scale_embeddings = False
            decoder.scale_outputs = np.dtype("float32").type(WIDTH**-0.5)
        else:
            decoder.projection.bias = self.numbers(len(TOKENS))
            decoder.projection.bias[2] -= 1  # few early ends
        for side in encoder, decoder:
            for layer in side.layer:
                self.layer(layer)
            if hasattr(side, "layer_norm"):
                self.norm(side.layer_norm)
        spec = transformer_spec.TransformerSpec(encoder, decoder)
        spec.register_source_vocabulary(TOKENS)
        spec.register_target_vocabulary(TOKENS)
        spec.config.add_source_eos = True
        if self.is_t5:
            spec.config.layer_norm_epsilon = 1e-6
        return spec


def expected(folder):
    translator = ctranslate2.Translator(folder, compute_type="float32", inter_threads=1, intra_threads=1)
    rows = []
    for source in SOURCES:
        options = dict(min_decoding_length=0, max_decoding_length=9, return_scores=True, length_penalty=1)
        greedy = translator.translate_batch([source], beam_size=1, return_logits_vocab=True, **options)[0]
        steps = [np.array(step).ravel().tolist() for step in greedy.logits[0]]
        beam = translator.translate_batch([source], beam_size=4, num_hypotheses=4, **options)[0]
        rows.append(
            dict(
                source=source,
                greedy=greedy.hypotheses[0],
                logits=[[round(x, 6) for x in step] for step in steps],
                beam=[dict(tokens=t, score=round(s, 6)) for t, s in zip(beam.hypotheses, beam.scores)],
            )
        )
    return rows


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    for seed, (name, case) in enumerate(CASES.items()):
        with tempfile.TemporaryDirectory() as folder:
            spec = Maker(case, 100 + seed).model()
            spec.validate()
            spec.optimize(quantization="float32")
            spec.save(folder)
            rows = expected(folder)
            out = os.path.join(here, name)
            os.makedirs(out, exist_ok=True)
            for file in ["model.bin", "config.json"]:
                shutil.copy(os.path.join(folder, file), out)
            with open(os.path.join(out, "expected.json"), "w") as file:
                json.dump(rows, file, ensure_ascii=False)
        print(name, os.path.getsize(os.path.join(out, "model.bin")), [row["greedy"] for row in rows])


if __name__ == "__main__":
    main()
