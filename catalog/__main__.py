# SPDX-License-Identifier: Unlicense
"""The catalogue's own command line: python -m catalog COMMAND --help."""
import argparse
import json
import os
import sys

from catalog import blocks, pages, record
from catalog.stubs import ERAS, ROOT, CatalogError, discover, named


def seed_range(text):
    """'0-10', '3' or '0,2,5-7' -> [0, 1, ...]."""
    seeds = []
    for part in text.split(","):
        low, _, high = part.partition("-")
        if not (low.isdigit() and (high.isdigit() or not high)) or int(high or low) < int(low):
            raise argparse.ArgumentTypeError(f"'{text}' is not like 0-10, 3 or 0,2,5-7")
        seeds += range(int(low), int(high or low) + 1)
    return seeds


def positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return int(text)


def chosen(arguments):
    if bool(arguments.slugs) == arguments.all:
        raise CatalogError("name stubs, or --all (python -m catalog list shows them)")
    return discover() if arguments.all else named(arguments.slugs)


def list_stubs(arguments):
    rows = []
    for stub in discover():
        if arguments.era in (None, stub.era):
            authors, year, title = stub.paper
            rows.append({"slug": stub.slug, "era": stub.era, "year": year, "authors": authors, "title": title, "summary": stub.summary,
                         "verdict": pages.verdict(stub, stub.record())})
    if arguments.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            print(f"{row['slug']:34} {row['year']}  {row['verdict']:12} {row['summary']}")


def record_stubs(arguments):
    stubs = chosen(arguments)
    if arguments.verify:
        for stub in stubs:
            record.verify(stub)
            print(f"{stub.slug}: seed 0 gives the recorded numbers to the last bit")
        return 0
    return 1 if record.record(stubs, arguments.seeds, arguments.jobs, arguments.preset) else 0


def report(lines, good):
    print("\n".join(lines) or good)
    return 1 if lines else 0


def do_pages(arguments):
    if arguments.check:
        return report(pages.check(), "every page and record is up to date")
    for path in pages.write():
        print(f"wrote {path.relative_to(ROOT).as_posix()}")


def do_blocks(arguments):
    if arguments.check:
        return report(blocks.check(), "every copy equals its block")
    for path in blocks.write():
        print(f"refreshed {path.relative_to(ROOT).as_posix()}")


def parser():
    top = argparse.ArgumentParser(prog="python -m catalog", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function, text, example):
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", epilog=f"example: python -m catalog {example}")
        sub.set_defaults(function=function)
        return sub

    sub = command("list", list_stubs, "list the stubs by year of their paper", "list --era 1989-1993")
    sub.add_argument("--era", choices=ERAS)
    sub.add_argument("--json", action="store_true", help="print JSON")

    sub = command("record", record_stubs, "run stubs over seeds and keep what they measured in results.json", "record nbb-xor --seeds 0-10")
    sub.add_argument("slugs", nargs="*", metavar="STUB")
    sub.add_argument("--all", action="store_true", help="every stub")
    sub.add_argument("--seeds", type=seed_range, default=seed_range("0-10"), help="default: 0-10; seeds already recorded for this code are kept")
    sub.add_argument("--jobs", type=positive, default=os.cpu_count() or 1, help="runs at a time, seed 0 excepted (default: the cores)")
    sub.add_argument("--preset", help="record these named settings instead of the default run")
    sub.add_argument("--verify", action="store_true", help="run seed 0 again and, if bit-identical, stamp the record with the present code")

    sub = command("pages", do_pages, "write every page that shows a number from the records", "pages --check")
    sub.add_argument("--check", action="store_true", help="write nothing; exit with status 1 if a page or record is stale")

    sub = command("blocks", do_blocks, "keep the copies of shared pieces in stubs equal to blocks/", "blocks --check")
    group = sub.add_mutually_exclusive_group(required=True)
    group.add_argument("--write", action="store_true", help="refresh stale copies")
    group.add_argument("--check", action="store_true", help="exit with status 1 if a copy is stale")
    return top


def main(argv=None):
    arguments = parser().parse_args(argv)
    try:
        return arguments.function(arguments) or 0
    except CatalogError as error:
        print(f"catalog: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
