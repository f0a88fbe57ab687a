/* See model.h. */
#include "model.h"

int model_find(const struct model *model, unsigned unit, enum object_type type, unsigned last)
{
	for (int i = (int)model->cap_count - 1; i >= 0; i--)
		if (model->caps[i].alive && model->caps[i].unit == unit &&
		    (type == OBJECT_NONE || model->objects[model->caps[i].object].type == type) && !last--)
			return i;
	return -1;
}

int model_object_new(struct model *model, unsigned owner, enum object_type type)
{
	model->objects[model->object_count] =
	    (struct model_object){.alive = true, .owner = owner, .type = type};
	return (int)model->object_count++;
}

int model_cap_new(struct model *model, unsigned unit, int object, uint16_t rights, uint64_t badge, int parent,
                  handle_t handle)
{
	model->caps[model->cap_count] =
	    (struct model_cap){true, unit, (unsigned)object, parent, rights, badge, handle};
	return (int)model->cap_count++;
}

/* An object that nothing names is gone. */
static void settle(struct model *model)
{
	for (unsigned object = 0; object < model->object_count; object++) {
		bool named = false;

		for (unsigned i = 0; i < model->cap_count; i++)
			named |= model->caps[i].alive && model->caps[i].object == object;
		if (!named)
			model->objects[object].alive = false;
	}
}

void model_delete(struct model *model, int cap)
{
	for (unsigned i = 0; i < model->cap_count; i++)
		if (model->caps[i].parent == cap)
			model->caps[i].parent = model->caps[cap].parent;
	model->caps[cap].alive = false;
	settle(model);
}

static bool below(const struct model *model, int cap, int ancestor)
{
	while (cap >= 0 && cap != ancestor)
		cap = model->caps[cap].parent;
	return cap == ancestor;
}

void model_revoke(struct model *model, int cap)
{
	bool dies[MODEL_CAPS];

	for (int i = 0; i < (int)model->cap_count; i++)
		dies[i] = i != cap && below(model, i, cap);
	for (int i = 0; i < (int)model->cap_count; i++)
		if (dies[i])
			model->caps[i].alive = false;
	settle(model);
}

void model_child_dies(struct model *model)
{
	for (unsigned i = 0; i < model->cap_count; i++)
		if (model->caps[i].alive && model->caps[i].unit == 1)
			model_delete(model, (int)i);
	for (unsigned i = 0; i < model->cap_count; i++) {
		if (model->objects[model->caps[i].object].owner == 1)
			model->caps[i].alive = false;
		if (model->caps[i].unit == 1)
			model->caps[i].unit = MODEL_GONE; /* the next child has a table of its own */
	}
	for (unsigned i = 0; i < model->object_count; i++)
		if (model->objects[i].owner == 1)
			model->objects[i].owner = MODEL_GONE;
	settle(model);
	model->child = false;
}
