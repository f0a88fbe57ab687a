/* See profile.h. */
#include "profile.h"
#include <text.h>
#include "manifest/manifest.h"
#include "sysimg/verify.h"

_Static_assert(BLUEPRINT_BUDGET_PERIOD_MAX == BUDGET_PERIOD_MAX_NS, "a period that the kernel admits");

int64_t profile_file(const char *path, const struct sysimg_node **file)
{
	int64_t node = sysimg_path(&manager.image, path);
	int64_t result = node < 0 ? E_NOT_FOUND : vfs_verify_node(manager.vfs, manager.page, (uint32_t)node);
	if (result >= 0)
		*file = &manager.image.nodes[node];
	else if (result != E_NOT_FOUND)
		LOG("subkernel: cannot verify %s: %s\n", path, error_text(result));
	return result;
}

/* A name that leads nowhere but into its folder. */
static bool is_name(const char text[16])
{
	size_t length = strnlen(text, 16);
	return length && length < 16 && text[0] != '.' && !memchr(text, '/', length);
}

static void unit_count(struct profile *profile, const struct manifest_unit *unit)
{
	profile->link |= manifest_gives(unit, GIVE_LINK);
	profile->blocks |= manifest_gives(unit, GIVE_BLOCKS);
	profile->screen |= manifest_gives(unit, GIVE_FRAMEBUFFER);
	profile->sealed |= unit->sealed;
	profile->cpu_share += unit->cpu_share + manifest_budget_share(unit);
	/* A best-effort unit's is bounded by the tree's own. */
	if (unit->budget_ns && unit->ceiling > profile->ceiling)
		profile->ceiling = unit->ceiling;
}

/* The blueprint's budget takes the place of that of the main unit, the last. */
static int64_t budget_take(const struct blueprint *blueprint, struct manifest_unit *main)
{
	if (!blueprint->budget_ns && !blueprint->budget_period_ns)
		return E_OK;
	if (!main->budget_ns || !blueprint->budget_ns || blueprint->budget_ns > blueprint->budget_period_ns ||
	    blueprint->budget_period_ns > BLUEPRINT_BUDGET_PERIOD_MAX)
		return E_ARGUMENT;
	main->budget_ns = blueprint->budget_ns;
	main->budget_period_ns = blueprint->budget_period_ns;
	return E_OK;
}

static int64_t native_read(const struct blueprint *blueprint, struct profile *profile)
{
	static struct manifest manifest;
	char path[48];
	const struct sysimg_node *file;
	unsigned line;
	if (!is_name(blueprint->profile))
		return E_SUPPORT;
	text_format(path, sizeof(path), "etc/blueprints/%s", blueprint->profile);
	int64_t result = profile_file(path, &file);
	if (result < 0)
		return result == E_NOT_FOUND ? E_SUPPORT : result;
	const char *wrong =
	    manifest_parse(&manifest, (const char *)manager.image.bytes + file->offset, file->size, &line);
	if (wrong) {
		LOG("subkernel: %s, line %u: %s\n", path, line, wrong);
		return E_SUPPORT;
	}
	result = budget_take(blueprint, &manifest.units[manifest.unit_count - 1]);
	if (result < 0)
		return result;
	profile->native = true;
	for (unsigned i = 0; i < manifest.unit_count; i++)
		unit_count(profile, &manifest.units[i]);
	return profile_file("native/tree", &profile->program);
}

int64_t profile_read(const struct blueprint *blueprint, bool service, struct profile *profile)
{
	static const struct {
		const char *profile, *program;
		bool service;
	} known[] = {{"linux", "native/linux", false},
	             {"vault", "native/vault", true},
	             {"files", "native/files", true}};
	*profile = (struct profile){0};
	for (unsigned i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].service == service && strncmp(blueprint->profile, known[i].profile, 16) == 0)
			return blueprint->budget_ns || blueprint->budget_period_ns
			           ? E_ARGUMENT
			           : profile_file(known[i].program, &profile->program);
	return service ? E_SUPPORT : native_read(blueprint, profile);
}
