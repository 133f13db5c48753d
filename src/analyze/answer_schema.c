/* SPDX-License-Identifier: MIT */
#include "analyze/answer.h"

/*
 * No maxLength, minItems, minimum: some servers refuse a strict schema that has them, others pass
 * them over. They are told in words, and answer_read() holds each answer to them.
 */
#define TEXT(limit) "{\"type\":\"string\",\"description\":\"at most " #limit " characters\"}"

const char answer_schema[] =
	"{\"type\":\"object\",\"additionalProperties\":false,"
	"\"required\":[\"summary\",\"severity\",\"findings\",\"recommendations\"],\"properties\":{"
	"\"summary\":" TEXT(
		900) ","
		     "\"severity\":{\"type\":\"integer\",\"enum\":[1,2,3,4,5]},"
		     "\"findings\":{\"type\":\"array\",\"description\":\"at most 20\",\"items\":{"
		     "\"type\":\"object\",\"additionalProperties\":false,"
		     "\"required\":[\"title\",\"evidence\",\"technique\",\"confidence\",\"why\"],"
		     "\"properties\":{"
		     "\"title\":" TEXT(
			     200) ","
				  "\"evidence\":{\"type\":\"array\",\"description\":\"1 to 16 ids "
				  "of rows\","
				  "\"items\":{\"type\":\"string\"}},"
				  "\"technique\":{\"type\":\"string\",\"description\":\"of ATT&CK, "
				  "as T1059.004, or empty\"},"
				  "\"confidence\":{\"type\":\"integer\",\"description\":\"percent, "
				  "0 to 100\"},"
				  "\"why\":" TEXT(
					  600) "}}},"
					       "\"recommendations\":{\"type\":\"array\","
					       "\"description\":\"at most 10\",\"items\":" TEXT(
						       600) "}}}";
