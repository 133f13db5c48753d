/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "wire/wire.h"

static bool str_fits(const struct wire_event *ev, const struct edr_hdr *hdr, const void *field)
{
	struct edr_str s;

	memcpy(&s, field, sizeof(s));
	if (s.off > hdr->len || s.len > hdr->len - s.off)
		return false;
	return s.len == 0 || s.off >= ev->size;
}

static bool field_fits(const struct wire_event *ev, const struct edr_hdr *hdr,
		       const struct wire_field *f)
{
	const char *field = (const char *)hdr + f->offset;

	switch (f->kind) {
	case EDR_KIND_CHARS:
	case EDR_KIND_TTY:
		return memchr(field, '\0', f->size) != NULL;
	case EDR_KIND_STR:
	case EDR_KIND_OPTSTR:
	case EDR_KIND_STRS:
	case EDR_KIND_ARGV:
	case EDR_KIND_SOCKADDR:
		return str_fits(ev, hdr, field);
	default:
		return true;
	}
}

int wire_check(const void *data, size_t len)
{
	const struct edr_hdr *hdr = data;
	const struct wire_event *ev;
	size_t i;

	if (len < sizeof(*hdr) || hdr->version != EDR_WIRE_VERSION || hdr->type == EDR_NONE)
		return -EBADMSG;
	if (hdr->len < sizeof(*hdr) || hdr->len > len || hdr->len > EDR_RECORD_MAX)
		return -EBADMSG;
	ev = wire_event_by_type(hdr->type);
	if (!ev)
		return -ENOENT;
	if (hdr->len < ev->size)
		return -EBADMSG;
	for (i = 0; i < ev->n_fields; i++)
		if (!field_fits(ev, hdr, &ev->fields[i]))
			return -EBADMSG;
	return 0;
}

bool wire_next_arg(struct wire_span *rest, struct wire_span *arg)
{
	const char *nul;
	size_t used;

	if (rest->len == 0)
		return false;
	nul = memchr(rest->data, '\0', rest->len);
	arg->data = rest->data;
	arg->len = nul ? (size_t)(nul - rest->data) : rest->len;
	used = nul ? arg->len + 1 : arg->len;
	rest->data += used;
	rest->len -= used;
	return true;
}

struct wire_span wire_basename(struct wire_span path)
{
	const char *slash = path.len ? memrchr(path.data, '/', path.len) : NULL;

	if (!slash)
		return path;
	return (struct wire_span){ slash + 1, path.len - (size_t)(slash + 1 - path.data) };
}

/* snprintf() took a seventh of what an event costs. */
static size_t put_ipv4(char *to, const unsigned char ip[4])
{
	char *p = to;

	for (int i = 0; i < 4; i++) {
		if (i)
			*p++ = '.';
		if (ip[i] >= 100)
			*p++ = (char)('0' + ip[i] / 100);
		if (ip[i] >= 10)
			*p++ = (char)('0' + ip[i] / 10 % 10);
		*p++ = (char)('0' + ip[i] % 10);
	}
	*p = '\0';
	return (size_t)(p - to);
}

static void decode_inet(struct wire_span raw, struct wire_addr *out)
{
	struct sockaddr_in sin;
	const unsigned char *ip = (const unsigned char *)&sin.sin_addr;

	/* The kernel wants all 16 bytes; the last 8 are padding, and a source may leave them out. */
	if (raw.len < offsetof(struct sockaddr_in, sin_zero))
		return;
	memcpy(&sin, raw.data, offsetof(struct sockaddr_in, sin_zero));
	out->port = ntohs(sin.sin_port);
	out->text_len = put_ipv4(out->text, ip);
}

static void decode_inet6(struct wire_span raw, struct wire_addr *out)
{
	struct sockaddr_in6 sin6;

	/* Without the scope, as the kernel takes it too (SIN6_LEN_RFC2133). */
	if (raw.len < offsetof(struct sockaddr_in6, sin6_scope_id))
		return;
	memcpy(&sin6, raw.data, offsetof(struct sockaddr_in6, sin6_scope_id));
	out->port = ntohs(sin6.sin6_port);
	if (inet_ntop(AF_INET6, &sin6.sin6_addr, out->text, sizeof(out->text)))
		out->text_len = strlen(out->text);
}

/* unix(7): a path ends at its NUL or with the address; an abstract name is all bytes after the first NUL. */
static void decode_unix(struct wire_span raw, struct wire_addr *out)
{
	const char *name = raw.data + offsetof(struct sockaddr_un, sun_path);
	size_t len = raw.len - offsetof(struct sockaddr_un, sun_path);

	if (len == 0)
		return;
	out->abstract = name[0] == '\0';
	if (!out->abstract)
		len = strnlen(name, len);
	memcpy(out->text, name, len);
	if (out->abstract)
		out->text[0] = '@';
	out->text_len = len;
}

void wire_decode_sockaddr(struct wire_span raw, struct wire_addr *out)
{
	sa_family_t family;

	out->family = -1;
	out->port = 0;
	out->abstract = false;
	out->text[0] = '\0';
	out->text_len = 0;
	if (raw.len < sizeof(family))
		return;
	if (raw.len > EDR_SOCKADDR_MAX)
		raw.len = EDR_SOCKADDR_MAX;
	memcpy(&family, raw.data, sizeof(family));
	out->family = family;
	if (family == AF_INET)
		decode_inet(raw, out);
	else if (family == AF_INET6)
		decode_inet6(raw, out);
	else if (family == AF_UNIX)
		decode_unix(raw, out);
}

void wire_addr_text(const struct wire_addr *a, struct buf *out)
{
	const bool inet6 = a->family == AF_INET6;

	if (a->text_len == 0)
		return;
	if (inet6)
		buf_addc(out, '[');
	buf_add(out, a->text, a->text_len);
	if (inet6)
		buf_addc(out, ']');
	if (inet6 || a->family == AF_INET) {
		buf_addc(out, ':');
		buf_addu(out, a->port);
	}
}
