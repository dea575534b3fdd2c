"""Builds `names.json` from Faker's Indonesian names: `python -m marketplace_simulator.build_names`.

Run by hand, once for a world. The names are kept in a file because the producer and Airflow may come with
different versions of Faker, whose lists differ, and because importing Faker costs each of them 65 MB.
"""

import json
from pathlib import Path

NAMES_FILE = Path(__file__).with_name("names.json")


def build_names() -> dict[str, list[str]]:
    """First and last names and cities as Faker's providers for Indonesia have them; single words, no repeats."""
    from faker.providers.address.id_ID import Provider as Addresses  # noqa: PLC0415  (an optional extra)
    from faker.providers.person.id_ID import Provider as Persons  # noqa: PLC0415

    lists = {
        "first_names_female": Persons.first_names_female,
        "first_names_male": Persons.first_names_male,
        "last_names_female": Persons.last_names_female,
        "last_names_male": Persons.last_names_male,
    }
    # E-mail addresses are made of names, so these are plain ASCII words.
    names = {
        list_: sorted({name for name in found if name.isascii() and name.isalpha()}) for list_, found in lists.items()
    }
    return {**names, "cities": sorted(set(Addresses.cities))}


if __name__ == "__main__":
    NAMES_FILE.write_text(json.dumps(build_names(), indent=0) + "\n")
