//! Where our answers differ from nginx's, and why they should.

/// One field of one answer.
pub(super) struct Difference {
    /// The request's name in `VECTORS`.
    pub(super) vector: &'static str,
    /// What differs. Where the status does, nothing else of the answer is compared.
    pub(super) field: &'static str,
    /// What nginx says.
    pub(super) nginx: &'static str,
    /// What we say; [`ANY`] where it does not matter.
    pub(super) crore: &'static str,
    /// Why.
    #[expect(dead_code, reason = "read by people")]
    pub(super) why: &'static str,
}

/// Whatever it is, as long as it is not the same.
pub(super) const ANY: &str = "any";

const fn status(
    vector: &'static str,
    nginx: &'static str,
    crore: &'static str,
    why: &'static str,
) -> Difference {
    Difference { vector, field: "status", nginx, crore, why }
}

const INVALID_RANGE: &str =
    "RFC 9110 section 14.2: a Range that is not valid is ignored; nginx calls it not satisfiable";

const COMBINED: &str = "RFC 9110 section 15.3.7.2: ranges that overlap may be combined, and doing \
                        so leaves a client nothing to gain from asking for the same bytes often";

const PRECEDENCE: &str = "RFC 9110 section 13.2.2: the date is not looked at where there is a tag";

const RANGES_OF_CODED: &str = "RFC 9110 section 14: ranges are of the selected representation, which a packed file is as well";

const ANY_CODING: &str =
    "RFC 9110 section 12.5.3: * accepts every coding; nginx wants to see gzip by name";

/// Every difference there is.
pub(super) const DIFFERENCES: &[Difference] = &[
    status("OPTIONS", "405", "204", "RFC 9110 section 9.3.7: it can be asked what is allowed"),
    status("folder without index", "403", "200", "a folder served from the command line is listed"),
    status(
        "slash encoded",
        "200",
        "404",
        "RFC 3986 section 2.2: an encoded slash does not separate; a proxy before us may rely on that",
    ),
    status(
        "two dots above the root, slash encoded",
        "400",
        "404",
        "the same: this is one name, which no file has",
    ),
    status("hidden file", "200", "404", "files whose name begins with a dot are not served"),
    status("symbolic link to outside", "200", "404", "links that leave the root are not followed"),
    Difference {
        vector: "type js",
        field: "content-type",
        nginx: "application/javascript",
        crore: "text/javascript",
        why: "RFC 9239 made the one nginx uses obsolete",
    },
    status("range backwards", "416", "200", INVALID_RANGE),
    status("range in words", "416", "200", INVALID_RANGE),
    status("range, HEAD", "206", "200", "RFC 9110 section 14.2: Range is defined for GET only"),
    status(
        "range of an empty file",
        "200",
        "416",
        "RFC 9110 section 14.1.2: no range of an empty file can be satisfied",
    ),
    Difference {
        vector: "ranges that overlap",
        field: "content-type",
        nginx: "multipart/byteranges",
        crore: "text/plain",
        why: COMBINED,
    },
    Difference {
        vector: "ranges that overlap",
        field: "content-range",
        nginx: "",
        crore: "bytes 0-14/1000",
        why: COMBINED,
    },
    Difference {
        vector: "ranges that overlap",
        field: "content-length",
        nginx: "",
        crore: "15",
        why: COMBINED,
    },
    Difference {
        vector: "ranges that overlap",
        field: "body",
        nginx: "[\"content-range: bytes 0-9/1000\", \"content-type: text/plain\"] \
                \"abcdefghij\\r\\n\"\n\
                [\"content-range: bytes 5-14/1000\", \"content-type: text/plain\"] \
                \"fghijklmno\\r\\n\"\n",
        crore: "abcdefghijklmno",
        why: COMBINED,
    },
    status("ranges larger than the file", "200", "206", COMBINED),
    status("none match before modified since, same", "200", "304", PRECEDENCE),
    status("match before unmodified since", "412", "200", PRECEDENCE),
    Difference {
        vector: "packed",
        field: "accept-ranges",
        nginx: "",
        crore: "bytes",
        why: RANGES_OF_CODED,
    },
    Difference {
        vector: "packed, HEAD",
        field: "accept-ranges",
        nginx: "",
        crore: "bytes",
        why: RANGES_OF_CODED,
    },
    status("packed, range", "200", "206", RANGES_OF_CODED),
    Difference {
        vector: "packed, star",
        field: "content-encoding",
        nginx: "",
        crore: "br",
        why: ANY_CODING,
    },
    Difference {
        vector: "packed, star",
        field: "content-length",
        nginx: "5000",
        crore: ANY,
        why: ANY_CODING,
    },
    Difference {
        vector: "packed, star",
        field: "body",
        nginx: "abcdefghijklmnopqrst… 5000 bytes, 0b2ef3d74c1af6ed",
        crore: ANY,
        why: ANY_CODING,
    },
    Difference {
        vector: "packed, by name",
        field: "content-type",
        nginx: "application/octet-stream",
        crore: "application/gzip",
        why: "RFC 6713; nginx's table has no type for this",
    },
];
