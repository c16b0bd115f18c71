"""The options about the cache that a team shares."""

import click

from pipeline.cli.command import section, stack

shared_option = section(
    "Folders",
    click.option(
        "--shared",
        metavar="URL|FOLDER",
        help="Fetch missing rows from this shared cache if it has them (s3://, gs://, az://, https://, or a folder), instead of computing "
        "them; see `cache push`.",
    ),
)
shared_options = stack(
    shared_option,
    section("Folders", click.option("--share", is_flag=True, help="Offer rows of DATA that --shared lacks to it.")),
)
