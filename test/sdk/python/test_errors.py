"""Every error arrives as the type that the SDK has for it."""

import uuid

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)

from world import TestCase, client, fresh, inner_code, one


class Errors(TestCase):
    def test_absent(self):
        name, said = fresh("absent"), r"A secret with \(name/id\) \S+ was not found in this key vault"
        for call in (one.get_secret, one.backup_secret):
            self.refused(ResourceNotFoundError, 404, "SecretNotFound", call, name, message=said)

    def test_an_absent_version_of_a_secret_that_exists(self):
        name = fresh("present")
        one.set_secret(name, "value")
        self.refused(ResourceNotFoundError, 404, "SecretNotFound", one.get_secret, name, "0" * 32)

    def test_disabled(self):
        name = fresh("disabled")
        made = one.set_secret(name, "value", enabled=False)
        said = "Operation get is not allowed on a disabled secret"
        error = self.refused(HttpResponseError, 403, "Forbidden", one.get_secret, name, message=said)
        self.assertEqual(inner_code(error), "SecretDisabled")
        self.refused(HttpResponseError, 403, "Forbidden", one.get_secret, name, made.properties.version)

    def test_names_that_are_none(self):
        for name in ("under_score", "dot.dot", "sp ace", "slash/inside", "ü", "x" * 128):
            with self.subTest(name[:12]):
                self.refused(HttpResponseError, 400, "BadParameter", one.set_secret, name, "value")

    def test_no_name_at_all(self):
        self.refused(HttpResponseError, 405, "MethodNotAllowed", one.set_secret, "", "value", message="HTTP PUT not allowed")

    def test_limits_of_tags_and_content_type(self):
        def tags(n):
            return {f"t{i}": "v" for i in range(n)}

        one.set_secret(fresh("fits"), "value", content_type="c" * 255, tags=tags(15))
        one.set_secret(fresh("long"), "value", tags={"k" * 512: "v" * 512})
        for options in ({"content_type": "c" * 256}, {"tags": tags(16)}, {"tags": {"k" * 513: ""}}, {"tags": {"k": "v" * 513}}):
            self.refused(HttpResponseError, 400, "BadParameter", one.set_secret, fresh("over"), "value", **options)

    def test_no_permission(self):
        c = client("listed")
        self.assertEqual([], list(c.list_properties_of_secrets()))
        for call, args in ((c.get_secret, "x"), (c.set_secret, "xy"), (c.backup_secret, "x")):
            said = r"does not have secrets (get|set|backup) permission on key vault 'listed"
            error = self.refused(HttpResponseError, 403, "Forbidden", call, *args, message=said)
            self.assertEqual(inner_code(error), "ForbiddenByPolicy")

    def test_a_vault_that_may_only_be_read(self):
        self.refused(HttpResponseError, 403, "Forbidden", client("readonly").set_secret, "x", "y")

    def test_a_vault_that_is_none(self):
        self.refused(HttpResponseError, 403, "Forbidden", client("nowhere").get_secret, "x")

    def test_a_token_that_is_none_and_one_too_often(self):
        c = client("one", str(uuid.uuid4()), retry_total=0)
        self.refused(ClientAuthenticationError, 401, "Unauthorized", c.get_secret, "x", message="AKV10046")
        for _ in range(5):
            try:
                c.get_secret("x")
            except ClientAuthenticationError:
                continue
            except HttpResponseError:
                break
        error = self.refused(HttpResponseError, 429, "Throttled", c.get_secret, "x")
        self.assertNotIn("Retry-After", error.response.headers)  # the SDK would wait it out

    def test_a_backup_that_is_none(self):
        for blob in (b"no backup at all", bytes(5000), b""):
            self.refused(HttpResponseError, 400, "Malformed backup blob", one.restore_secret_backup, blob, message="Backup blob ")

    def test_a_name_in_use(self):
        name = fresh("taken")
        one.set_secret(name, "value")
        blob = one.backup_secret(name)
        said = "There was a conflict restoring the secret"
        self.refused(ResourceExistsError, 409, "Conflict", one.restore_secret_backup, blob, message=said)

    def test_a_challenge_from_a_foreign_domain_is_not_followed(self):
        with self.assertRaisesRegex(ValueError, "does not match the requested domain"):
            client("foreign").get_secret("x")
