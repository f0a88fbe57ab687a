/* Syntax trees back to source, in the one canonical layout: what `flux fmt` writes and a paradox shows. */
#include "runtime.h"

#include <stdlib.h>

static void print_expression(struct text *out, const struct node *n, unsigned indent, unsigned tight);
static void print_block(struct text *out, const struct node *block, unsigned indent);

static void spaces(struct text *out, unsigned indent)
{
	for (unsigned i = 0; i < indent; i++)
		text_put(out, "    ", 4);
}

static const char *bare(unsigned token)
{
	static char buffer[16];
	const char *name = token_names[token];
	size_t length = strlen(name);
	snprintf(buffer, sizeof(buffer), "%.*s", (int)(length > 2 ? length - 2 : 0), name + 1);
	return buffer;
}

static void print_string(struct text *out, const char *text, uint32_t length)
{
	text_put(out, "\"", 1);
	for (uint32_t i = 0; i < length; i++) {
		char c = text[i];
		const char *escape = c == '\n'   ? "\\n"
		                     : c == '\t' ? "\\t"
		                     : c == '\r' ? "\\r"
		                     : c == '"'  ? "\\\""
		                     : c == '\\' ? "\\\\"
		                     : c == 0    ? "\\0"
		                     : c == 27   ? "\\e"
		                                 : NULL;
		if (escape)
			text_put(out, escape, 2);
		else
			text_put(out, &c, 1);
	}
	text_put(out, "\"", 1);
}

static void print_type(struct text *out, const struct type_note *type, const char *before)
{
	if (type->name)
		text_print(out, "%s%s%s", before, type->name, type->kind & TYPE_OPTIONAL ? "?" : "");
}

static void print_parameters(struct text *out, const struct node *list, unsigned indent)
{
	for (const struct node *p = list; p; p = p->next) {
		text_print(out, "%s%s", p != list ? ", " : "", p->text);
		print_type(out, &p->type, ": ");
		if (p->a) {
			text_print(out, " = ");
			print_expression(out, p->a, indent, 0);
		}
	}
}

static void print_list(struct text *out, const struct node *list, unsigned indent)
{
	for (const struct node *e = list; e; e = e->next) {
		if (e != list)
			text_put(out, ", ", 2);
		if (e->kind == N_PAIR && e->text) {
			text_print(out, "%s: ", e->text);
			print_expression(out, e->a, indent, 0);
		} else {
			print_expression(out, e, indent, 0);
		}
	}
}

/* How tightly an expression holds together: parentheses are needed inside a tighter one. */
static unsigned tightness(const struct node *n)
{
	switch (n->kind) {
	case N_IF_EXPR: /* what stands behind it would be taken for a part of its last operand */
	case N_LAMBDA:
		return 0;
	case N_OTHERWISE:
		return 1;
	case N_OR:
		return 2;
	case N_AND:
		return 3;
	case N_RANGE:
		return 7;
	case N_UNARY:
		return 11;
	case N_TRY:
		return 1;
	case N_INT:
		return n->integer < 0 ? 11 : 20;
	case N_FLOAT:
		return n->number < 0 ? 11 : 20;
	case N_BINARY:
		switch (n->op) {
		case TOK_EQ:
		case TOK_NEQ:
			return 4;
		case TOK_LT:
		case TOK_GT:
		case TOK_LE:
		case TOK_GE:
		case TOK_IN:
			return 5;
		case TOK_PIPE:
		case TOK_CARET:
		case TOK_AMP:
		case TOK_SHL:
		case TOK_SHR:
			return 6;
		case TOK_CONCAT:
			return 8;
		case TOK_PLUS:
		case TOK_MINUS:
			return 9;
		case TOK_POWER:
			return 12;
		default:
			return 10;
		}
	default:
		return 20;
	}
}

static void print_pairs(struct text *out, const struct node *n, unsigned indent, const char *open)
{
	unsigned count = 0;
	for (const struct node *p = n->list; p; p = p->next)
		count++;
	bool lines = count > 3;
	text_print(out, "%s", open);
	for (const struct node *p = n->list; p; p = p->next) {
		if (lines) {
			text_put(out, "\n", 1);
			spaces(out, indent + 1);
		} else {
			text_put(out, " ", 1);
		}
		if (p->text && !p->b) {
			text_print(out, "%s: ", p->text);
			print_expression(out, p->a, indent + 1, 0);
		} else {
			print_expression(out, p->a, indent + 1, 0);
			text_put(out, ": ", 2);
			print_expression(out, p->b, indent + 1, 0);
		}
		if (p->next)
			text_put(out, ",", 1);
	}
	if (lines) {
		text_put(out, "\n", 1);
		spaces(out, indent);
	} else if (count) {
		text_put(out, " ", 1);
	}
	text_put(out, "}", 1);
}

/* Whether the text of an expression begins with '{', which would begin a block. */
static bool begins_with_brace(const struct node *n)
{
	while (n) {
		if (n->kind == N_MAP)
			return true;
		if (n->kind != N_BINARY && n->kind != N_AND && n->kind != N_OR && n->kind != N_OTHERWISE &&
		    n->kind != N_RANGE && n->kind != N_CALL && n->kind != N_METHOD && n->kind != N_FIELD &&
		    n->kind != N_INDEX && n->kind != N_SLICE && n->kind != N_PROPAGATE)
			return false;
		n = n->a;
	}
	return false;
}

/* Kinds whose own braces, or then and else, would be taken for the statement's. */
static bool has_braces(const struct node *n)
{
	return n && (n->kind == N_NEW || n->kind == N_IF_EXPR || n->kind == N_MATCH || n->kind == N_LAMBDA ||
	             has_braces(n->a) || has_braces(n->b) || has_braces(n->c));
}

/* Before a block: inner braces need parentheses around them, and so does a '{' in front. */
static void print_condition(struct text *out, const struct node *n, unsigned indent)
{
	bool guard = has_braces(n) || begins_with_brace(n);
	if (guard)
		text_put(out, "(", 1);
	print_expression(out, n, indent, 0);
	if (guard)
		text_put(out, ")", 1);
}

static void print_match(struct text *out, const struct node *n, unsigned indent)
{
	text_print(out, "match ");
	print_condition(out, n->a, indent);
	text_print(out, " {\n");
	for (const struct node *arm = n->list; arm; arm = arm->next) {
		spaces(out, indent + 1);
		for (const struct node *p = arm->list; p; p = p->next) {
			if (p != arm->list)
				text_put(out, " | ", 3);
			print_expression(out, p, indent + 1, 7);
		}
		if (arm->c) {
			text_print(out, " if ");
			print_expression(out, arm->c, indent + 1, 0);
		}
		text_print(out, " => ");
		if (arm->a)
			print_block(out, arm->a, indent + 1);
		else if (begins_with_brace(arm->b))
			print_condition(out, arm->b, indent + 1);
		else
			print_expression(out, arm->b, indent + 1, 0);
		text_print(out, ",\n");
	}
	spaces(out, indent);
	text_put(out, "}", 1);
}

static void print_expression(struct text *out, const struct node *n, unsigned indent, unsigned tight)
{
	char buffer[400];
	unsigned own = tightness(n);
	bool parentheses = own < tight;
	if (parentheses)
		text_put(out, "(", 1);
	switch (n->kind) {
	case N_INT:
		text_print(out, "%lld", (long long)n->integer);
		break;
	case N_FLOAT:
		text_put(out, buffer, number_format_exact(n->number, buffer, sizeof(buffer)));
		break;
	case N_STRING:
		print_string(out, n->text, n->length);
		break;
	case N_BOOL:
		text_print(out, n->integer ? "true" : "false");
		break;
	case N_NIL:
		text_print(out, "nil");
		break;
	case N_DURATION:
	case N_NAME:
		text_print(out, "%s", n->text);
		break;
	case N_LIST:
		text_put(out, "[", 1);
		print_list(out, n->list, indent);
		text_put(out, "]", 1);
		break;
	case N_MAP:
		print_pairs(out, n, indent, "{");
		break;
	case N_DIST:
		print_pairs(out, n, indent, "dist {");
		break;
	case N_NEW:
		text_print(out, "%s ", n->text);
		print_pairs(out, n, indent, "{");
		break;
	case N_BINARY:
	case N_AND:
	case N_OR:
	case N_OTHERWISE:
		print_expression(out, n->a, indent, n->op == TOK_POWER ? own + 1 : own);
		text_print(out, " %s ",
		           n->kind == N_OTHERWISE ? "otherwise"
		           : n->kind == N_AND     ? "&&"
		           : n->kind == N_OR      ? "||"
		                                  : bare(n->op));
		print_expression(out, n->b, indent, n->op == TOK_POWER ? 11 : own + 1);
		break;
	case N_RANGE:
		print_expression(out, n->a, indent, own);
		text_print(out, "%s", n->op == TOK_DOTDOT_EQ ? "..=" : "..");
		print_expression(out, n->b, indent, own + 1);
		break;
	case N_UNARY:
		text_print(out, "%s", bare(n->op));
		print_expression(out, n->a, indent, own);
		break;
	case N_TRY:
		text_print(out, "try ");
		print_expression(out, n->a, indent, 2);
		break;
	case N_CALL:
		print_expression(out, n->a, indent, 20);
		text_put(out, "(", 1);
		print_list(out, n->list, indent);
		text_put(out, ")", 1);
		break;
	case N_METHOD:
	case N_FIELD:
		print_expression(out, n->a, indent, 20);
		text_print(out, ".%s", n->text);
		if (n->kind == N_METHOD) {
			text_put(out, "(", 1);
			print_list(out, n->list, indent);
			text_put(out, ")", 1);
		}
		break;
	case N_INDEX:
	case N_SLICE:
		print_expression(out, n->a, indent, 20);
		text_put(out, "[", 1);
		if (n->b)
			print_expression(out, n->b, indent, 0);
		if (n->kind == N_SLICE) {
			text_put(out, ":", 1);
			if (n->c)
				print_expression(out, n->c, indent, 0);
		}
		text_put(out, "]", 1);
		break;
	case N_LISTEN:
		text_print(out, "listen(");
		if (n->text)
			text_print(out, "%s", n->text);
		else
			print_expression(out, n->a, indent, 0);
		if (n->b) {
			text_put(out, ", ", 2);
			print_expression(out, n->b, indent, 0);
		}
		if (n->c) {
			text_put(out, ", ", 2);
			print_expression(out, n->c, indent, 0);
		}
		text_put(out, ")", 1);
		break;
	case N_COLLAPSE:
		text_print(out, "collapse(");
		print_expression(out, n->a, indent, 0);
		text_print(out, ", %s", n->text ? n->text : "max_weight");
		if (n->b) {
			text_put(out, "(", 1);
			print_expression(out, n->b, indent, 0);
			text_put(out, ")", 1);
		}
		text_put(out, ")", 1);
		break;
	case N_LAMBDA:
		text_print(out, "fn(");
		print_parameters(out, n->list, indent);
		text_print(out, ")");
		if (n->b) {
			text_print(out, " => ");
			print_expression(out, n->b, indent, 0);
		} else {
			text_print(out, " ");
			print_block(out, n->a, indent);
		}
		break;
	case N_IF_EXPR:
		text_print(out, "if ");
		print_expression(out, n->a, indent, 0);
		text_print(out, " then ");
		print_expression(out, n->b, indent, 2);
		text_print(out, " else ");
		print_expression(out, n->c, indent, 0);
		break;
	case N_MATCH:
		print_match(out, n, indent);
		break;
	case N_PROPAGATE:
		print_expression(out, n->a, indent, 20);
		text_put(out, "?", 1);
		break;
	default:
		text_print(out, "nil");
	}
	if (parentheses)
		text_put(out, ")", 1);
}

static void print_statement(struct text *out, const struct node *n, unsigned indent)
{
	spaces(out, indent);
	switch (n->kind) {
	case N_LET:
		text_print(out, "let %s", n->text);
		print_type(out, &n->type, ": ");
		text_print(out, " = ");
		print_expression(out, n->a, indent, 0);
		text_print(out, ";\n");
		break;
	case N_ASSIGN:
		print_expression(out, n->a, indent, 0);
		text_print(out, " %s ", bare(n->op));
		print_expression(out, n->b, indent, 0);
		text_print(out, ";\n");
		break;
	case N_IF:
		for (const struct node *at = n; at;) {
			text_print(out, "if ");
			print_condition(out, at->a, indent);
			text_put(out, " ", 1);
			print_block(out, at->b, indent);
			at = at->c;
			if (!at)
				break;
			text_print(out, " else ");
			if (at->kind != N_IF) {
				print_block(out, at, indent);
				break;
			}
		}
		text_put(out, "\n", 1);
		break;
	case N_WHILE:
		text_print(out, "while ");
		print_condition(out, n->a, indent);
		text_put(out, " ", 1);
		print_block(out, n->b, indent);
		text_put(out, "\n", 1);
		break;
	case N_FOR:
		text_print(out, "for %s%s%s in ", n->text, n->c ? ", " : "", n->c ? n->c->text : "");
		print_condition(out, n->a, indent);
		text_put(out, " ", 1);
		print_block(out, n->b, indent);
		text_put(out, "\n", 1);
		break;
	case N_RETURN:
	case N_FAIL:
		text_print(out, n->kind == N_RETURN ? "return" : "fail");
		if (n->a) {
			text_put(out, " ", 1);
			print_expression(out, n->a, indent, 0);
		}
		text_print(out, ";\n");
		break;
	case N_BREAK:
		text_print(out, "break;\n");
		break;
	case N_CONTINUE:
		text_print(out, "continue;\n");
		break;
	case N_LAUNCH:
		text_print(out, "launch(%s%s", n->text, n->list ? ", " : "");
		print_list(out, n->list, indent);
		text_print(out, ");\n");
		break;
	case N_SEND:
		text_print(out, "send(");
		print_expression(out, n->a, indent, 0);
		text_print(out, ", ");
		print_expression(out, n->b, indent, 0);
		if (n->c) {
			text_print(out, ", ");
			print_expression(out, n->c, indent, 0);
		}
		text_print(out, ");\n");
		break;
	case N_BLOCK:
		print_block(out, n, indent);
		text_put(out, "\n", 1);
		break;
	case N_CATCH:
		text_print(out, "try ");
		print_block(out, n->a, indent);
		text_print(out, " catch %s%s", n->text ? n->text : "", n->text ? " " : "");
		print_block(out, n->b, indent);
		text_put(out, "\n", 1);
		break;
	default:
		if (begins_with_brace(n->a))
			print_condition(out, n->a, indent);
		else
			print_expression(out, n->a, indent, 0);
		text_print(out, n->a->kind == N_MATCH ? "\n" : ";\n");
	}
}

/* The comments that go before a place are printed by the formatter, which sets this. */
void (*print_before)(struct text *out, const struct node *n, unsigned indent);

static void print_block(struct text *out, const struct node *block, unsigned indent)
{
	text_print(out, "{\n");
	for (const struct node *s = block->list; s; s = s->next) {
		if (print_before)
			print_before(out, s, indent + 1);
		print_statement(out, s, indent + 1);
	}
	if (print_before) {
		struct node end = {.begin = block->end ? block->end - 1 : 0};
		print_before(out, &end, indent + 1);
	}
	spaces(out, indent);
	text_put(out, "}", 1);
}

static void print_clauses(struct text *out, const struct node *n, const struct node *list)
{
	text_print(out, "%s %s {\n", n->kind == N_PARADOX ? "paradox" : "intention", n->text);
	for (const struct node *c = list; c; c = c->next) {
		if (print_before)
			print_before(out, c, 1);
		spaces(out, 1);
		text_print(out, "%s: ", c->flag ? "when" : clause_names[c->op]);
		if (c->op == CLAUSE_PRIORITY) {
			char buffer[40];
			size_t length = number_format_exact(c->number, buffer, sizeof(buffer));
			text_put(out, buffer, length);
		} else if (c->a->kind == N_BLOCK) {
			print_block(out, c->a, 1);
		} else {
			print_expression(out, c->a, 1, 0);
		}
		text_put(out, "\n", 1);
	}
	text_print(out, "}\n");
}

void print_node(struct text *out, const struct node *n, unsigned indent)
{
	switch (n->kind) {
	case N_PROGRAM:
		for (const struct node *d = n->list; d; d = d->next) {
			if (print_before)
				print_before(out, d, 0);
			print_node(out, d, 0);
			if (d->next &&
			    !(d->kind == d->next->kind && (d->kind == N_CONST || d->kind == N_STATE ||
			                                   d->kind == N_IMPORT || d->kind == N_MOSAIC)))
				text_put(out, "\n", 1);
		}
		break;
	case N_INTENTION:
	case N_PARADOX:
		print_clauses(out, n, n->list);
		break;
	case N_FUNCTION:
	case N_FLOW:
		text_print(out, "%s %s(", n->kind == N_FLOW ? "flow" : "function", n->text);
		print_parameters(out, n->list, 0);
		text_put(out, ")", 1);
		print_type(out, &n->type, " -> ");
		text_put(out, " ", 1);
		print_block(out, n->a, 0);
		text_put(out, "\n", 1);
		break;
	case N_STRUCT:
		text_print(out, "struct %s {\n", n->text);
		for (const struct node *f = n->list; f; f = f->next) {
			text_print(out, "    %s", f->text);
			print_type(out, &f->type, ": ");
			if (f->a) {
				text_print(out, " = ");
				print_expression(out, f->a, 1, 0);
			}
			text_print(out, "%s\n", f->next ? "," : "");
		}
		text_print(out, "}\n");
		break;
	case N_MOSAIC:
	case N_CONST:
	case N_STATE:
		text_print(out, "%s %s",
		           n->kind == N_MOSAIC  ? "causal_mosaic"
		           : n->kind == N_CONST ? "const"
		                                : "state",
		           n->text);
		print_type(out, &n->type, ": ");
		text_print(out, " = ");
		print_expression(out, n->a, 0, 0);
		text_print(out, ";\n");
		break;
	case N_IMPORT:
		text_print(out, "import ");
		print_expression(out, n->a, 0, 0);
		text_print(out, " as %s;\n", n->text);
		break;
	case N_TEST:
		text_print(out, "test ");
		print_string(out, n->text, n->length);
		text_put(out, " ", 1);
		print_block(out, n->a, 0);
		text_put(out, "\n", 1);
		break;
	default:
		if (n->kind <= N_RANGE)
			print_expression(out, n, indent, 0);
		else
			print_statement(out, n, indent);
	}
}
