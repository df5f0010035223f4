/*M!999999\- enable the sandbox mode */ 
-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: localhost    Database: opensips
-- ------------------------------------------------------
/*!40101 SET NAMES utf8mb4 */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;

DROP TABLE IF EXISTS `subscriber`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
CREATE TABLE `subscriber` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `username` varchar(64) DEFAULT NULL,
  `domain` varchar(64) DEFAULT NULL,
  `password` varchar(255) DEFAULT NULL,
  `ha1` varchar(64) DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=6 DEFAULT CHARSET=utf8mb4;

LOCK TABLES `subscriber` WRITE;
/*!40000 ALTER TABLE `subscriber` DISABLE KEYS */;
INSERT INTO `subscriber` VALUES
(1,'alice','example.org','alice secret','5fa91eb9b7a7a248904078cc762d5005'),
(2,'bob','example.org',NULL,'3dd82c21e93ae664f3f974ba56c71fb7'),
(3,'carol','example.org',NULL,''),
(4,'dave','elsewhere.example','x',''),
(5,'eve','example.org','eve secret','');
/*!40000 ALTER TABLE `subscriber` ENABLE KEYS */;
UNLOCK TABLES;

CREATE TABLE `watchers` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  PRIMARY KEY (`id`)
);
INSERT INTO `watchers` VALUES (1),(2);

DROP TABLE IF EXISTS `xcap`;
CREATE TABLE `xcap` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `subscriber_id` int(11) DEFAULT NULL,
  `username` varchar(64) NOT NULL,
  `domain` varchar(64) NOT NULL,
  `doc` blob NOT NULL,
  `doc_type` int(11) NOT NULL,
  `etag` varchar(64) NOT NULL,
  `source` int(11) NOT NULL,
  `doc_uri` varchar(255) NOT NULL,
  `port` int(11) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `account_doc_type_idx` (`username`,`domain`,`doc_type`,`doc_uri`),
  CONSTRAINT `xcap_ibfk_1` FOREIGN KEY (`subscriber_id`) REFERENCES `subscriber` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB;
INSERT INTO `xcap` VALUES
(1,NULL,'alice','example.org',_binary '<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\n  <list name=\"it\'s \\ mine\"><entry uri=\"sip:bob@example.org\"><display-name>Bob \"B\" Ü</display-name></entry></list>\n</resource-lists>\n',4,'etag0',0,'index',0),
(2,NULL,'alice','example.org',0x3C726C732D736572766963657320786D6C6E733D2275726E3A696574663A706172616D733A786D6C3A6E733A726C732D73657276696365732220786D6C6E733A726C3D2275726E3A696574663A706172616D733A786D6C3A6E733A7265736F757263652D6C69737473223E3C73657276696365207572693D227369703A616C6963652D667269656E6473406578616D706C652E6F7267223E3C6C6973743E3C726C3A656E747279207572693D227369703A626F62406578616D706C652E6F7267222F3E3C2F6C6973743E3C7061636B616765733E3C7061636B6167653E70726573656E63653C2F7061636B6167653E3C2F7061636B616765733E3C2F736572766963653E3C2F726C732D73657276696365733E,8,'etag1',0,'index',0),
(3,NULL,'alice','example.org',_binary '<ruleset xmlns=\"urn:ietf:params:xml:ns:common-policy\"><rule id=\"a\"><conditions><identity><one id=\"sip:bob@example.org\"/></identity></conditions></rule></ruleset>',32,'etag2',0,'index.xml',0),
(4,NULL,'bob','example.org',0x3C7265736F757263652D6C69737473,4,'etag3',0,'index',0),
(5,NULL,'bob','example.org',_binary '<rls-services xmlns=\"urn:ietf:params:xml:ns:rls-services\" xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\"><service uri=\"sip:alice-friends@example.org\"><list><rl:entry uri=\"sip:bob@example.org\"/></list><packages><package>presence</package></packages></service></rls-services>',8,'etag4',0,'index',0),
(6,NULL,'carol','example.org',0x3C3F786D6C2076657273696F6E3D22312E302220656E636F64696E673D225554462D38223F3E0A3C7265736F757263652D6C6973747320786D6C6E733D2275726E3A696574663A706172616D733A786D6C3A6E733A7265736F757263652D6C69737473223E0A20203C6C697374206E616D653D2269742773205C206D696E65223E3C656E747279207572693D227369703A626F62406578616D706C652E6F7267223E3C646973706C61792D6E616D653E426F622022422220C39C3C2F646973706C61792D6E616D653E3C2F656E7472793E3C2F6C6973743E0A3C2F7265736F757263652D6C697374733E0A,4,'etag5',0,'index',0),
(7,NULL,'bob','example.org',_binary '<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\n  <list name=\"it\'s \\ mine\"><entry uri=\"sip:bob@example.org\"><display-name>Bob \"B\" Ü</display-name></entry></list>\n</resource-lists>\n',99,'etag6',0,'index',0);
-- Dump completed
