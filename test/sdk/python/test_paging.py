"""Lists arrive in pages, whole and in order."""

from azure.core.exceptions import HttpResponseError

from world import TestCase, at_most, fresh, in_turns, one

COUNT = 60


class Paging(TestCase):
    def in_pages(self, size, call, *args, count=COUNT):
        """Checks the pages' sizes, and that they hold what the plain iterator yields."""
        pages = [list(page) for page in call(*args, max_page_size=size).by_page()]
        self.assertLessEqual(max(map(len, pages)), size or 25)
        self.assertGreaterEqual(len(pages), count / (size or 25))
        items = [p for page in pages for p in page]
        self.assertEqual([p.id for p in items], [p.id for p in call(*args)])
        return items

    def test_secrets(self):
        prefix = fresh("many")
        in_turns(lambda i: one.set_secret(f"{prefix}-{i}", str(i)), range(COUNT))
        for size in (None, 1, 7, 25):
            mine = [p.name for p in self.in_pages(size, one.list_properties_of_secrets) if p.name.startswith(prefix)]
            self.assertEqual(mine, sorted(f"{prefix}-{i}" for i in range(COUNT)), size)

    def test_versions(self):
        name = fresh("versions")
        made = [one.set_secret(name, f"value {i}").properties.version for i in range(at_most(COUNT))]
        for size in (None, 1, 7, 25):
            found = self.in_pages(size, one.list_properties_of_secret_versions, name, count=len(made))
            self.assertEqual([p.version for p in found], sorted(made))
        for i, value in enumerate(in_turns(lambda v: one.get_secret(name, v).value, made)):
            self.same(value, f"value {i}", f"version {i}")

    def test_a_walk_goes_on_from_its_token(self):
        for i in range(6):
            one.set_secret(fresh(f"walk-{i}"), "value")
        pages = one.list_properties_of_secrets(max_page_size=5).by_page()
        first = [p.id for p in next(pages)]
        rest = one.list_properties_of_secrets().by_page(continuation_token=pages.continuation_token)
        self.assertEqual(first + [p.id for page in rest for p in page], [p.id for p in one.list_properties_of_secrets()])

    def test_pages_that_are_too_large(self):
        for size in (26, 1000):
            self.refused(HttpResponseError, 400, "BadParameter", list, one.list_properties_of_secrets(max_page_size=size))
