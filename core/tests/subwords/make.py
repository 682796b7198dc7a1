"""Writes what Moses' tokenizer knows of characters and abbreviations, and what the Python packages make of odd texts.

    pip install sacremoses==0.2.0 subword-nmt==0.3.8 && python make.py

`core/src/subwords/moses.txt`: a line `class NAME RANGES` for each class of characters, code points in hexadecimal, and a line
`prefixes LANGUAGE WORDS…` for each language; a word before `#` only keeps its full stop before a number. Beside this file:
`codes.txt`, merges learned from the texts here, and `cases.json`.
"""
import io
import json
import os
import random

from sacremoses import MosesDetokenizer, MosesPunctNormalizer, MosesTokenizer
from sacremoses.corpus import NonbreakingPrefixes, Perluniprops
from subword_nmt.apply_bpe import BPE
from subword_nmt.learn_bpe import learn_bpe

CLASSES = ["IsAlnum", "IsAlpha", "IsLower", "IsN", "IsSc", "Hangul", "Han", "Hiragana", "Katakana"]
CJK = [(4352, 4607), (11904, 42191), (43072, 43135), (44032, 55215), (63744, 64255), (65072, 65103), (65381, 65500), (94208, 101119),
       (110592, 110895), (110960, 111359), (131072, 196607)]
here = os.path.dirname(os.path.abspath(__file__))


def ranges(points):
    out = []
    for point in sorted(set(points)):
        if out and out[-1][1] == point - 1:
            out[-1][1] = point
        else:
            out.append([point, point])
    return " ".join(f"{a:x}-{b:x}" if a != b else f"{a:x}" for a, b in out)


def data():
    lines = []
    for name in CLASSES:
        lines.append(f"class {name} " + ranges(ord(c) for c in Perluniprops().chars(name)))
    lines.append("class CJK " + " ".join(f"{a:x}-{b:x}" for a, b in CJK))
    prefixes = NonbreakingPrefixes()
    for code in sorted(set(prefixes.available_langs.values())):
        words = []
        for word in prefixes.words(code):
            word = word.strip()
            word, only, _ = word.partition(" #NUMERIC_ONLY#")
            if word and " " not in word:
                words.append(word + ("#" if only else ""))
        lines.append(" ".join(["prefixes", code] + sorted(set(words))))
    return "\n".join(lines) + "\n"


TEXTS = """Good morning, Mr. Smith!
I don't know; it's 5,300.50 dollars (about €4.900,-).
"Quoted," she said... "and 'again'."
The Jones' house isn't John's. O'Neil’s, rock 'n' roll
a,b,c ,d, 1,2 3,a b,4,
No. 7 is better than No. Seven, e.g. this, i.e. that.
Visit https://example.org/a_b?c=d&e=f or mail me@example.org today.
It costs $5 & <b>more</b> [see #3] {x|y} 100 % and 20 %.
A – B — C… „D“ “E” «F» ‘G’ ‚H‘ `I` ''J''
Wait.... what..... No. end.' 
well-known state-of-the-art -- dash
L'homme n'est pas d'accord : « C'est vrai ? » Oui !
C'è un po' d'acqua nell'ottobre del '99.
Das ist z.B. der 3. Versuch, bzw. d.h. Dr. Müller sagt „Nein“.
Příliš žluťoučký kůň např. 3,14 a 2 . 5 , ne-li e - mail
EU:n päätös, USA:ssa ja 20:een. EU :n EU : ssa
Ça va? ¿Qué tal? ¡Hola! nº 5 ºC
你好，世界。 日本語 テスト 한국어 시험 mixed文字text
הוא אמר "שלום" צה"ל
Привет, т.е. г. Москва и т.д.
ﬁne ½ cup ² ³ ٣٤ १२ Ⅷ ①
a\u00a0b c\u202fd\u3000e \ttab\u2028line\u200bzero e\u0301 x\u0308
emoji 😀👍🏽 ™ © ® § ¶ † ‡ • ° ± × ÷ ¬
under_score ~tilde ^caret \\back/slash @at @-@ *star* +plus= &amp; &lt; &#39;
DOTMULTI DOTDOTMULTI THISISPROTECTED000 @@ a@@ b@@
 leading and trailing  
.
...
'
"
'tis the season, can't won't I'm 1990's the '90s 's
U.S.A. U.S. a.b. 3.5. x. Y. etc. etc
5 % 6% 7 : 8 ; ( a ) [ b ] ) . ( ) , (x) . 
1 000 2\u00a0000 3\u00a0%""".split("\n")
PARTS = list("abcXYZé ßœ.,;:!?'\"`´’‘“”„«»()[]{}<>-–—…/\\&%$€#@*_|~^+=0123456789") + [" ", " ", "  ", "..", "''", "´´", "``", "\u00a0", "文", "ه", "i.e.", "Mr.", "No. 5", "n't", "'s", "l'", "@-@"]
LANGUAGES = ["en", "de", "fr", "it", "cs", "fi", "es", "ru", "zh", "ja", "ko", "xx"]


def cases(codes):
    chance, rows = random.Random(3), []
    texts = [(text, language) for text in TEXTS for language in chance.sample(LANGUAGES, 3) + ["en"]]
    texts += [("".join(chance.choice(PARTS) for _ in range(chance.randint(1, 30))), chance.choice(LANGUAGES)) for _ in range(300)]
    bpe = BPE(io.StringIO(codes))
    tools = {code: (MosesPunctNormalizer(code), MosesTokenizer(code), MosesDetokenizer(code)) for code in LANGUAGES}
    for text, language in texts:
        normaliser, tokenizer, detokenizer = tools[language]
        normal = normaliser.normalize(text)
        tokens = tokenizer.tokenize(normal)
        pieces = bpe.segment_tokens(" ".join(tokens).strip("\r\n ").split(" "))
        again = detokenizer.detokenize(" ".join(pieces).replace("@@ ", "").split(" "))
        rows.append([language, text, normal, " ".join(pieces), again])
    return rows


def main():
    with open(os.path.join(here, "../../src/subwords/moses.txt"), "w", encoding="utf-8") as file:
        file.write(data())
    codes = io.StringIO()
    learn_bpe(io.StringIO("\n".join(" ".join(MosesTokenizer("en").tokenize(text)) for text in TEXTS * 3)), codes, 150, min_frequency=2)
    with open(os.path.join(here, "codes.txt"), "w", encoding="utf-8") as file:
        file.write(codes.getvalue())
    rows = cases(codes.getvalue())
    with open(os.path.join(here, "cases.json"), "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(row, ensure_ascii=True) for row in rows) + "\n]\n")


main()
