/* SPDX-License-Identifier: MIT */
/*
 * One HTTP exchange with libcurl: nothing followed, nothing kept, nothing unverified, all of it
 * bounded.
 */
#include <ares.h>
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/client.h"
#include "client/client.h"

#define HEADERS_MAX (64u << 10) /* bytes of all header lines of a response */
#define ADDRESSES_MAX 512

struct transfer {
	const struct request *request;
	struct exchange *x;
	CURL *curl;
	struct curl_slist *headers, *resolved;
	size_t header_bytes;
	bool too_large;
};

int http_prepare(void)
{
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
		return -ENOMEM;
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;

	if (bytes_add(&t->x->body, data, size * n))
		return size * n;
	t->too_large = true;
	return 0;
}

static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;

	(void)data;
	t->header_bytes += size * n;
	if (t->header_bytes <= HEADERS_MAX)
		return size * n;
	t->too_large = true;
	return 0;
}

static bool add(struct curl_slist **list, const char *before, const char *text)
{
	size_t len = strlen(before) + strlen(text) + 1;
	char *line = malloc(len);
	struct curl_slist *grown = NULL;

	if (line) {
		snprintf(line, len, "%s%s", before, text);
		grown = curl_slist_append(*list, line);
		explicit_bzero(line, len);
		free(line);
	}
	if (grown)
		*list = grown;
	return grown != NULL;
}

static bool is_method(const struct request *r, const char *name)
{
	return strcmp(r->part[CLIENT_PART_METHOD], name) == 0;
}

static bool add_headers(struct transfer *t)
{
	const struct request *r = t->request;
	/* libcurl's own: it has the boundary. */
	const bool own_type = is_method(r, CLIENT_METHOD_FILE);

	/* No "Expect: 100-continue", for which some servers make us wait a second. */
	return add(&t->headers, "Accept: ", "application/json") &&
	       add(&t->headers, "Expect:", "") &&
	       (own_type || !r->length[CLIENT_PART_CONTENT_TYPE] ||
		add(&t->headers, "Content-Type: ", r->part[CLIENT_PART_CONTENT_TYPE])) &&
	       (!r->length[CLIENT_PART_KEY] ||
		add(&t->headers, "Authorization: Bearer ", r->part[CLIENT_PART_KEY]));
}

/* libcurl must not look for itself: it would start a thread for getaddrinfo(3). */
static bool add_addresses(struct transfer *t, char *addresses)
{
	const char *name = t->request->part[CLIENT_PART_NAME];
	char line[ADDRESSES_MAX * 2], *save = NULL;
	int n = snprintf(line, sizeof(line), "%s:%u:", name, t->request->fixed.port);

	if (strcmp(name, addresses) == 0)
		return true; /* an address already */
	if (n < 0 || (size_t)n >= ADDRESSES_MAX)
		return false;
	for (char *one = strtok_r(addresses, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		bool v6 = strchr(one, ':') != NULL;
		size_t used = strlen(line);

		snprintf(line + used, sizeof(line) - used, "%s%s%s%s",
			 line[used - 1] == ':' ? "" : ",", v6 ? "[" : "", one, v6 ? "]" : "");
	}
	return add(&t->resolved, "", line);
}

static unsigned at_most(unsigned value, unsigned most)
{
	return value < most ? value : most;
}

#define SET(option, value) ok = ok && curl_easy_setopt(t->curl, option, value) == CURLE_OK

static bool set_get(struct transfer *t)
{
	bool ok = true;

	SET(CURLOPT_HTTPGET, 1L);
	return ok;
}

static bool set_delete(struct transfer *t)
{
	bool ok = set_get(t);

	SET(CURLOPT_CUSTOMREQUEST, "DELETE");
	return ok;
}

/* A file that is none here: its bytes and its name are in the request. */
static bool set_file(struct transfer *t)
{
	const struct request *r = t->request;
	curl_mime *mime = curl_mime_init(t->curl);
	curl_mimepart *purpose = mime ? curl_mime_addpart(mime) : NULL;
	curl_mimepart *file = mime ? curl_mime_addpart(mime) : NULL;
	bool ok = purpose && file && curl_mime_name(purpose, "purpose") == CURLE_OK &&
		  curl_mime_data(purpose, "batch", CURL_ZERO_TERMINATED) == CURLE_OK &&
		  curl_mime_name(file, "file") == CURLE_OK &&
		  curl_mime_filename(file, r->part[CLIENT_PART_CONTENT_TYPE]) == CURLE_OK &&
		  curl_mime_type(file, "application/jsonl") == CURLE_OK &&
		  curl_mime_data(file, r->part[CLIENT_PART_BODY], r->length[CLIENT_PART_BODY]) ==
			  CURLE_OK;

	SET(CURLOPT_MIMEPOST, mime);
	return ok;
}

static bool set_post(struct transfer *t)
{
	const struct request *r = t->request;
	bool ok = true;

	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->length[CLIENT_PART_BODY]);
	SET(CURLOPT_POSTFIELDS, r->part[CLIENT_PART_BODY]);
	return ok;
}

static bool set_method(struct transfer *t)
{
	static const struct {
		const char *name;
		bool (*set)(struct transfer *t);
	} methods[] = {
		{ "POST", set_post },
		{ "GET", set_get },
		{ "DELETE", set_delete },
		{ CLIENT_METHOD_FILE, set_file },
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (is_method(t->request, methods[i].name))
			return methods[i].set(t);
	return false;
}

static bool set_tls(struct transfer *t)
{
	const struct request *r = t->request;
	struct curl_blob ca = { (void *)(size_t)r->part[CLIENT_PART_CA], r->length[CLIENT_PART_CA],
				CURL_BLOB_NOCOPY };
	bool ok = true;

	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_CAINFO, NULL);
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_PROXY_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_PROXY_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_PROXY_CAINFO, NULL);
	SET(CURLOPT_PROXY_CAPATH, NULL);
	if (ca.len > 0) {
		SET(CURLOPT_CAINFO_BLOB, &ca);
		SET(CURLOPT_PROXY_CAINFO_BLOB, &ca);
	}
	return ok;
}

static bool set_all(struct transfer *t, long long left_ms)
{
	const struct request *r = t->request;
	bool ok = true;

	SET(CURLOPT_URL, r->part[CLIENT_PART_URL]);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_PROXY, r->part[CLIENT_PART_PROXY]); /* "": none */
	SET(CURLOPT_NOPROXY, "");
	SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* the key is not for the proxy */
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(CURLOPT_HTTPHEADER, t->headers);
	SET(CURLOPT_USERAGENT, "linux-edr-bpf");
	SET(CURLOPT_RESOLVE, t->resolved);
	SET(CURLOPT_TIMEOUT_MS, (long)left_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)r->fixed.connect_timeout_s * 1000L);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	return ok && set_method(t) && set_tls(t);
}

static enum client_outcome outcome_of(const struct transfer *t, CURLcode code)
{
	static const struct {
		CURLcode code;
		enum client_outcome outcome;
	} known[] = {
		{ CURLE_OK, CLIENT_DONE },
		{ CURLE_COULDNT_RESOLVE_HOST, CLIENT_NO_NAME },
		{ CURLE_COULDNT_RESOLVE_PROXY, CLIENT_NO_NAME },
		{ CURLE_COULDNT_CONNECT, CLIENT_NO_CONNECT },
		{ CURLE_PROXY, CLIENT_NO_CONNECT },
		{ CURLE_OPERATION_TIMEDOUT, CLIENT_TIMEOUT },
		{ CURLE_SSL_CONNECT_ERROR, CLIENT_TLS },
		{ CURLE_PEER_FAILED_VERIFICATION, CLIENT_TLS },
		{ CURLE_SSL_CACERT_BADFILE, CLIENT_TLS },
		{ CURLE_SSL_CIPHER, CLIENT_TLS },
		{ CURLE_SSL_CERTPROBLEM, CLIENT_TLS },
		{ CURLE_SSL_ISSUER_ERROR, CLIENT_TLS },
		{ CURLE_OUT_OF_MEMORY, CLIENT_DIED },
	};
	long connected = 0;

	if (t->too_large)
		return CLIENT_TOO_LARGE;
	curl_easy_getinfo(t->curl, CURLINFO_HTTP_CONNECTCODE, &connected);
	if (code != CURLE_OK && connected >= 300)
		return CLIENT_NO_CONNECT; /* the proxy would not */
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].code == code)
			return known[i].outcome;
	return CLIENT_CUT;
}

static void take_answer(struct transfer *t, CURLcode code)
{
	struct client_wire_reply *reply = &t->x->reply;
	curl_off_t retry_after = 0;
	long status = 0;

	reply->outcome = outcome_of(t, code);
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->curl, CURLINFO_RETRY_AFTER, &retry_after);
	reply->status = status > 0 && status < 1000 ? (uint32_t)status : 0;
	if (retry_after > 0)
		reply->retry_after_s = retry_after < (curl_off_t)CLIENT_RETRY_AFTER_MAX_S
					       ? (uint64_t)retry_after
					       : CLIENT_RETRY_AFTER_MAX_S;
	if (reply->outcome == CLIENT_DONE && status >= 300 && status < 400)
		reply->outcome = CLIENT_REDIRECT;
	if (reply->outcome != CLIENT_DONE)
		t->x->body.len = 0;
}

static void transfer(struct transfer *t, long long until_ms)
{
	const struct request *r = t->request;
	unsigned name_s = at_most(r->fixed.connect_timeout_s, r->fixed.timeout_s);
	char addresses[ADDRESSES_MAX];
	long long left_ms;

	t->x->reply.outcome = CLIENT_NO_NAME;
	if (!resolve(r, (int)name_s * 1000, addresses, sizeof(addresses)))
		return;
	left_ms = until_ms - now_ms();
	t->x->reply.outcome = CLIENT_TIMEOUT;
	if (left_ms <= 0)
		return;
	t->x->reply.outcome = CLIENT_DIED;
	t->curl = curl_easy_init();
	if (t->curl && add_headers(t) && add_addresses(t, addresses) && set_all(t, left_ms))
		take_answer(t, curl_easy_perform(t->curl));
}

/* Nothing is freed: the process ends, and with it all its memory. */
void http_exchange(const struct request *r, struct exchange *x)
{
	struct transfer t = { .request = r, .x = x };
	const long long begun_ms = now_ms();

	x->body.max = CLIENT_ANSWER_MAX;
	transfer(&t, begun_ms + r->fixed.timeout_s * 1000LL);
	x->reply.milliseconds = (uint32_t)(now_ms() - begun_ms);
}
