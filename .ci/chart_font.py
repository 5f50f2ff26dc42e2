"""
Makes lib/signals/chart/font.ts: Inter (SIL Open Font Licence, Debian's package fonts-inter) in two weights, cut to the
characters that a chart may need, with figures of one width in the place of the usual ones, compressed.

    apt-get install fonts-inter && pip install fonttools
    python3 .ci/chart_font.py
"""
import base64
import io
import pathlib
import sys
import zlib

from fontTools import subset
from fontTools.ttLib import TTFont

SOURCES = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/fonts/opentype/inter")
WEIGHTS = {"regular": "Medium", "bold": "SemiBold"}
RANGES = [
    (0x20, 0x7E),  # Latin
    (0xA0, 0x17F),  # its accents
    (0x218, 0x21B),
    (0x370, 0x3FF),  # Greek
    (0x400, 0x45F),  # Cyrillic
    (0x490, 0x4D9),
    (0x2010, 0x203A),  # punctuation
    (0x20A0, 0x20BF),  # currencies
    (0x2116, 0x2116),
    (0x2122, 0x2122),
    (0x2190, 0x2199),  # arrows
    (0x2206, 0x2265),  # signs
    (0x25A0, 0x25CF),  # shapes
    (0xFFFD, 0xFFFD),
]
MEASURED = range(0x20, 0x7F)
TARGET = pathlib.Path(__file__).parent.parent / "lib" / "chart" / "font.ts"


def cut(path):
    font = TTFont(path)
    options = subset.Options(layout_features=["tnum"], hinting=False, desubroutinize=False, notdef_outline=True)
    options.name_IDs = [0, 1, 2, 6, 13, 14]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[code for first, last in RANGES for code in range(first, last + 1)])
    subsetter.subset(font)
    set_tabular(font)
    out = io.BytesIO()
    font.save(out)
    return out.getvalue()


def set_tabular(font):
    """resvg applies no features that one chooses, so each figure's code is given the figure of one width."""
    features = font["GSUB"].table.FeatureList.FeatureRecord
    lookups = {index for record in features for index in record.Feature.LookupListIndex}
    pairs = {}
    for index in lookups:
        for table in font["GSUB"].table.LookupList.Lookup[index].SubTable:
            pairs.update(getattr(table, "ExtSubTable", table).mapping)
    for table in font["cmap"].tables:
        for code, name in table.cmap.items():
            table.cmap[code] = pairs.get(name, name)
    for tag in ("GSUB", "GPOS", "GDEF"):
        if tag in font:
            del font[tag]


def constants(name, path):
    data = cut(path)
    text = base64.b64encode(zlib.compress(data, 9)).decode()
    font = TTFont(io.BytesIO(data))
    codes, advances, em = font.getBestCmap(), font["hmtx"], font["head"].unitsPerEm
    widths = [round(1000 * advances[codes[code]][0] / em) for code in MEASURED]
    return (
        f'export const {name}: string =\n  "{text}";\n\n'
        f"/** How wide its characters are from the space on, in thousandths of its size. */\n"
        f"export const {name}Widths: readonly number[] = {widths};\n"
    )


def main():
    head = "/** Made by .ci/chart_font.py: Inter, see font_licence.txt; deflated, in base64. */\n"
    weights = [constants(name, SOURCES / f"Inter-{weight}.otf") for name, weight in WEIGHTS.items()]
    TARGET.write_text(head + "\n".join(weights))


main()
