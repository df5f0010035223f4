--
-- PostgreSQL database dump
--

\restrict 8uVZzxQh

SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE FUNCTION public.concat(text, text) RETURNS text
    LANGUAGE sql
    AS $_$ SELECT $1 || $2; $_$;

CREATE TABLE public.subscriber (
    id integer NOT NULL,
    username character varying(64) DEFAULT ''::character varying NOT NULL,
    domain character varying(64) DEFAULT ''::character varying NOT NULL,
    password character varying(64) DEFAULT ''::character varying NOT NULL,
    ha1 character varying(128) DEFAULT ''::character varying NOT NULL,
    ha1b character varying(128) DEFAULT ''::character varying NOT NULL
);

CREATE TABLE public.xcap (
    id integer NOT NULL,
    username character varying(64) NOT NULL,
    domain character varying(64) NOT NULL,
    doc bytea NOT NULL,
    doc_type integer NOT NULL,
    etag character varying(128) NOT NULL,
    source integer NOT NULL,
    doc_uri character varying(255) NOT NULL,
    port integer NOT NULL
);

COPY public.subscriber (id, username, domain, password, ha1, ha1b) FROM stdin;
1	alice	example.org	alice secret	5fa91eb9b7a7a248904078cc762d5005	
2	bob	example.org		3dd82c21e93ae664f3f974ba56c71fb7	
3	carol	example.org			
4	frank	example.org		017e05d5bcece0dab058fd3b432bb85b7e311e0866008c0f1aafad9c6872b9b0	
\.

COPY public.version (table_name) FROM stdin;
it's
\.

COPY public.xcap (id, username, domain, doc, doc_type, etag, source, doc_uri, port) FROM stdin;
1	alice	example.org	\\x3c3f786d6c2076657273696f6e3d22312e302220656e636f64696e673d225554462d38223f3e0a3c7265736f757263652d6c6973747320786d6c6e733d2275726e3a696574663a706172616d733a786d6c3a6e733a7265736f757263652d6c69737473223e0a20203c6c697374206e616d653d2269742773205c206d696e65223e3c656e747279207572693d227369703a626f62406578616d706c652e6f7267223e3c646973706c61792d6e616d653e426f622022422220c39c3c2f646973706c61792d6e616d653e3c2f656e7472793e3c2f6c6973743e0a3c2f7265736f757263652d6c697374733e0a	4	etag0	0	/xcap-root/resource-lists/users/sip:alice@example.org/index	0
2	alice	example.org	\\x3c72756c6573657420786d6c6e733d2275726e3a696574663a706172616d733a786d6c3a6e733a636f6d6d6f6e2d706f6c696379223e3c72756c652069643d2261223e3c636f6e646974696f6e733e3c6964656e746974793e3c6f6e652069643d227369703a626f62406578616d706c652e6f7267222f3e3c2f6964656e746974793e3c2f636f6e646974696f6e733e3c2f72756c653e3c2f72756c657365743e	2	etag1	0	/xcap-root/org.openmobilealliance.pres-rules/users/sip%3Aalice@example.org/pres-rules	0
3	alice	example.org	\\x3c72756c6573657420786d6c6e733d2275726e3a696574663a706172616d733a786d6c3a6e733a636f6d6d6f6e2d706f6c696379223e3c72756c652069643d2261223e3c636f6e646974696f6e733e3c6964656e746974793e3c6f6e652069643d227369703a626f62406578616d706c652e6f7267222f3e3c2f6964656e746974793e3c2f636f6e646974696f6e733e3c2f72756c653e3c2f72756c657365743e	2	etag2	0	index	0
4	bob	example.org	\\x3c613e	4	etag3	0	index	0
5	bob	example.org	\\x3c786361702d636170732f3e	32	etag4	0	index	0
\.

ALTER TABLE ONLY public.xcap ADD CONSTRAINT xcap_pkey PRIMARY KEY (id);
