# SPDX-License-Identifier: Unlicense
"""The catalogue's own command line: python -m catalog COMMAND --help."""
import argparse
import json
import os
import sys
from pathlib import Path

from catalog import bench, blocks, book, new, pages, record, render, sweep
from catalog.movement import report as report_movement
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


def do_sweep(arguments):
    stub = named([arguments.slug])[0]
    if arguments.plot and arguments.out.exists() and arguments.seeds is None:
        failed = 0  # draw what is there
    else:
        grid = sweep.parse_grid(stub, arguments.grid)
        failed = sweep.sweep(stub, arguments.seeds or [0], grid, arguments.out, arguments.jobs, arguments.scheduler, arguments.preset)
        print(f"{arguments.out}: {failed} runs failed" if failed else arguments.out)
    if arguments.plot:
        image = arguments.out.with_suffix(".png")
        sweep.plot(arguments.out, arguments.plot, image)
        print(image)
    return 1 if failed else 0


def do_movement(arguments):
    for stub in chosen(arguments):
        for line in report_movement.command(stub, arguments):
            print(line, flush=True)


def do_bench(arguments):
    rows = []
    for row in bench.bench(named(arguments.slugs) if arguments.slugs else discover(), arguments.seed):
        rows.append(row)
        print(f"{row[0]}: {row[1]} s {row[-1]}".rstrip(), file=sys.stderr)
    print(bench.report(rows))


def do_render(arguments):
    stubs = named(arguments.slugs) if arguments.slugs else discover()
    if arguments.check:
        return report([line for stub in stubs for line in render.check(stub, arguments.again)], "every picture is the one that was rendered")
    for stub in stubs:
        render.render(stub)
        print(f"rendered {stub.slug}")


def do_book(arguments):
    print(f"wrote src/ ({len(book.write())} files); mdbook build makes the site in book/")


def do_new(arguments):
    for path in new.new(arguments.slug, arguments.title, arguments.paper):
        print(f"wrote {path.relative_to(ROOT).as_posix()}")
    print(f"next: python -m catalog record {arguments.slug}; python -m catalog render {arguments.slug}; python -m catalog pages")


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
    sub.add_argument("--verify", action="store_true", help="run seed 0 again and, if bit-identical, stamp the record with the present code and cost")

    sub = command("sweep", do_sweep, "run one stub over seeds and settings into a tidy CSV",
                  "sweep nbb-xor --seeds 0-9 --grid variant=h3 spread=0.001,0.01,0.1 --out spread.csv --plot found_presentations_mean_20_nets")
    sub.add_argument("slug", metavar="STUB")
    sub.add_argument("--seeds", type=seed_range, help="like 0-99 (default: 0)")
    sub.add_argument("--grid", nargs="+", default=[], metavar="NAME=A,B", help="settings to combine; items of a tuple are joined by colons")
    sub.add_argument("--preset", help="start from these named settings")
    sub.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="one row a run; a file that exists is completed")
    sub.add_argument("--jobs", type=positive, default=os.cpu_count() or 1, help="runs at a time on this machine (default: the cores)")
    sub.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler, like tcp://host:8786, instead of this machine (pip install 'dask[distributed]')")
    sub.add_argument("--plot", metavar="METRIC", help="draw this metric beside the CSV; without --seeds: from the runs that are there")

    sub = command("movement", do_movement, "trace the data that stubs' learning algorithms move and keep the numbers in results.json", "movement adding-problem --steps 3")
    sub.add_argument("slugs", nargs="*", metavar="STUB")
    sub.add_argument("--all", action="store_true", help="every stub")
    sub.add_argument("--phase", action="store_true", help="print cost and reads of every phase")
    sub.add_argument("--steps", type=positive, default=3, help="steps of a window: the first warms up, 2..K are priced (default: 3)")
    sub.add_argument("--full", action="store_true", help="trace the whole run: exact")
    sub.add_argument("--sweep", metavar="NAME=A,B,C", help="a row per value, and the exponent of the cost per step")
    sub.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings on top of the preset")
    sub.add_argument("--unit", choices=("elements", "bytes", "both"), default="elements")
    sub.add_argument("--moves", choices=("free", "read"), default="free", help="whether copies and gathers cost a read per element")
    sub.add_argument("--preset", help="named settings instead of the default run")
    sub.add_argument("--max-reads", type=float, default=4e8, help="tracing pauses for good after so many reads (default: 4e8)")
    sub.add_argument("--dry", action="store_true", help="print only, keep nothing")

    sub = command("bench", do_bench, "time default runs beside a fixed calibration loop and beside the record; never a failure", "bench nbb-xor")
    sub.add_argument("slugs", nargs="*", metavar="STUB", help="default: all")
    sub.add_argument("--seed", type=int, default=0)

    sub = command("render", do_render, "draw the figures and animations and note their digests", "render nbb-xor")
    sub.add_argument("slugs", nargs="*", metavar="STUB", help="default: all")
    sub.add_argument("--check", action="store_true", help="draw nothing; exit with status 1 if a picture is not the one that was rendered")
    sub.add_argument("--again", action="store_true", help="with --check: draw again, elsewhere, where the versions of matplotlib and pillow match")

    sub = command("new", do_new, "write a stub from the template", "new echo-memory --title 'a net remembers.' --paper 'A. Author (1995). On nets. Journal 1(2):3-4.'")
    sub.add_argument("slug", metavar="STUB")
    sub.add_argument("--title", required=True, help="what the stub shows, in one sentence")
    sub.add_argument("--paper", required=True, help="<authors> (<year>). <title>. <venue>.")

    sub = command("pages", do_pages, "write every page that shows a number from the records", "pages --check")
    sub.add_argument("--check", action="store_true", help="write nothing; exit with status 1 if a page or record is stale")

    command("book", do_book, "copy the pages and their pictures into src/ for mdBook", "book && mdbook serve")

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
