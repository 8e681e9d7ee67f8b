import pytest

from steerec.data.title import display_title, fold, split_year


@pytest.mark.parametrize(
    ("title", "year", "shown"),
    [
        ("Usual Suspects, The", 1995, "The Usual Suspects (1995)"),
        ("Usual Suspects, The (1995)", 1995, "The Usual Suspects (1995)"),
        ("Toy Story", None, "Toy Story"),
        ("Postino, Il", 1994, "Il Postino (1994)"),
        ("Star Maker, The (Uomo delle stelle, L')", 1995, "The Star Maker (L'Uomo delle stelle) (1995)"),
        ("Seven (Se7en)", 1995, "Seven (Se7en) (1995)"),
        # A comma before a word that is no article stays, and so does a year in the middle of a title.
        ("Good, the Bad and the Ugly, The", 1966, "The Good, the Bad and the Ugly (1966)"),
        ("Maybe, Maybe Not", 1994, "Maybe, Maybe Not (1994)"),
        ("2001: A Space Odyssey", 1968, "2001: A Space Odyssey (1968)"),
        ("Nénette et Boni", 1996, "Nénette et Boni (1996)"),
    ],
)
def test_display(title: str, year: int | None, shown: str) -> None:
    assert display_title(title, year) == shown


def test_year_is_split_only_from_the_end() -> None:
    assert split_year("Toy Story (1995)") == ("Toy Story", 1995)
    assert split_year("Seven (Se7en) (1995) ") == ("Seven (Se7en)", 1995)
    assert split_year("Land Before Time (1995) (V)") == ("Land Before Time (1995) (V)", None)
    assert split_year("(1995)") == ("(1995)", None)


def test_fold_equates_compatibility_forms_and_case() -> None:
    assert fold(" Ｃafe\u0301 STRASSE") == fold("café straße")
