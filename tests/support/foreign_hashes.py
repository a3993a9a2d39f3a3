"""Password hashes as other systems write them, with parameters as cheap as each allows.

Other libraries made them, not the server: argon2-cffi 25.1, bcrypt 4.0, Django 5.2, passlib 1.7 and its successor libpass
1.9, Werkzeug 3.1, libxcrypt 4.4, PHP 8.2, and for node argon2 0.45, @node-rs/argon2 2.2 and hash-wasm 4.13. `PUBLISHED`
comes from documents and tests of the systems themselves.
"""

from __future__ import annotations

PASSWORD = "correct horse Bätterie"

#: Of `PASSWORD`, by form and maker.
HASHES = {
    "argon2i, argon2-cffi 25.1": "$argon2i$v=19$m=16,t=1,p=1$Yn4u3Ztv1tir8hjViCDjRA$HrIz043zk+CrxS+kdC8Z7ACPnHkI3OgPNeaUrvfe78s",
    "argon2d, argon2-cffi 25.1": "$argon2d$v=19$m=16,t=1,p=1$TIgJRfPXcHQBTIUfljjn0A$AKssLxL+UYdE1+AEe01nSOEwLhQ6wgfcO/1nfSuIeJw",
    "argon2id, argon2-cffi 25.1": "$argon2id$v=19$m=16,t=1,p=1$cF02EVRnhmtHr4XVwZkfqg$NzfEpamZK8Vii20EF1fsD2OCCuFTVJ4+b4Q5XcQjJCU",
    "argon2id, passlib 1.7.4": "$argon2id$v=19$m=16,t=1,p=2$7h2j9L5XyjknRMjZOyck5A$joo0eBF1KZqolbSphSsCaiR2p0X5h/G/GcDCz37/d1o",
    "argon2i of version 1.0, libargon2": "$argon2i$v=16$m=16,t=1,p=1$c2FsdHNhbHRzYWx0$gFSUGOyn78ga4wjsSaaU02p/4C3SRtruCjqhxuwfOYc",
    "argon2id, Django 5.2": "argon2$argon2id$v=19$m=64,t=1,p=8$S0ZLS254Wk9EUWZ4TE9QbnFaQXlBMg$ZQ24WrgsHwkpeDjJfuEtRLIrIuCBSpnPNQ1VRF6FqRI",
    "bcrypt $2a$, passlib 1.7.4": "$2a$04$yMMlZsuUOIJg861GUp9VheAjgd4r3ULIu34soFg3n9ejqqor2w59a",
    "bcrypt $2b$, passlib 1.7.4": "$2b$04$GsqKQ1rs/2AnBYp6T6HDGe8IgkoPxCPp19KOI75Gk2m69WBmCO8YW",
    "bcrypt $2y$, passlib 1.7.4": "$2y$04$cW.NR6HEIlo1rWq9S5zXoeHZlXYYJ4S0C30K.xZd4rG.R5/J75h5y",
    "bcrypt, pyca bcrypt 4.0": "$2b$04$rUIwWPG6BJhNlmIaidmVae3AYREqTEvBTg3XguRr4kZXPcZi0aRSK",
    "bcrypt, Django 5.2": "bcrypt$$2b$04$M9wUrYkDyN5Qo8lzmCjFPe2nIIJqIhB6cQGSrXOzaTplodZGX2S9K",
    "bcrypt_sha256, Django 5.2": "bcrypt_sha256$$2b$04$7XFAuUYUAZF.hlJHKQlhbOCMPJXm7BlftrqdSmDCtXwAtRCx9FyB2",
    "scrypt, passlib 1.7.4": "$scrypt$ln=4,r=8,p=1$5Ny79z6nNEbIeQ/hvPdeqw$DndvTF1JSCcLhnENTHEC89NRmU7NliO77adUMujaquQ",
    "scrypt, Django 5.2": "scrypt$16$laHJE2tP6EKyNOx1UUK8Z4$8$5$4I37bQLQtL2H3nywxfMzqA4UnaOiGnpMknJQQhfttHfpAnOqAgmwLwO1gIEYOyUa50myxvU6QOx6s2D9UvPvwA==",
    "scrypt, Werkzeug 3.1": "scrypt:256:8:1$QuDDwL1ikJSDNamz$39d4653fad38c23135dee8c94770d0934c0d86f83b53b7764637f51153dc8f3510271e2278c4f613a82fec6894b2faa83e15d328714cef9fecc6675dce0913ac",
    "pbkdf2-sha256, passlib 1.7.4": "$pbkdf2-sha256$10$pHTufW/Nubc2xngP4dwbIw$N3SrsCW0CNwkKKWiajOrIFtHZeCnfXsu8eMxMPs8TgU",
    "pbkdf2-sha512, passlib 1.7.4": "$pbkdf2-sha512$10$S8n5fy/FmHMuBaB07j1nTA$bzJNakdeTDSiDWjqsPQjBx6SsnhhQcC1UHMxczSc3X6Sj5.htD246AdBSPrzJTomyZISHSWoft6HsZ63RXiHOQ",
    "pbkdf2 (SHA-1), passlib 1.7.4": "$pbkdf2$10$691bC0FIKeV8z7n3fm.ttQ$P.8yQw7qDOqHtwZzSPA16P6Rsow",
    "pbkdf2_sha256, Django 5.2": "pbkdf2_sha256$10$DY2rQpFvnOrTvWufJ5HOh6$mgfrz/4s6Dsd3G2k3mrjC4O+JizVPZUjy+a1ESMSf4U=",
    "pbkdf2_sha1, Django 5.2": "pbkdf2_sha1$10$e6ntcChsv9Nio78n2nO2iz$xiJyes1QS1wh3ZrR64rRO0V3nMs=",
    "pbkdf2:sha1, Werkzeug 3.1": "pbkdf2:sha1:10$9sb4XBIQ74EouegW$cafcef055861e7c8b7b78807bd95177e8657bb60",
    "pbkdf2:sha256, Werkzeug 3.1": "pbkdf2:sha256:10$ckmzZcOkwlyaC2Jb$e605906f0756862af942d6b93efd6e5d8c1dc0f224ef68212cdd6ca352256822",
    "pbkdf2:sha512, Werkzeug 3.1": "pbkdf2:sha512:10$wuDU1gYo0sAYJdId$0ea6e830cfe771c8464ffa423b124d8579d74e07e0748f0d976782d126c0f1996baee601364fcbaec4be9998bf908593a16f7b40ecffe8de9e0174e394e5dfc4",
    "argon2id, argon2 0.45 for node": "$argon2id$v=19$m=1024,p=1,t=2$BcFE29fOSB6vacsZpyIaaA$j2ZqpEN9WvTQGpammpoyiWVuribXqe7xJf7y2ZoTIYs",
    "argon2id, @node-rs/argon2 2.2": "$argon2id$v=19$m=64,t=2,p=1$1RBimEriTCQQAKQH5GVqOw$tmw4r3YQgQ0Rdxl52OipMym6jifjHnMUnSXrleHwCqI",
    "argon2id with odd lengths, hash-wasm 4.13": "$argon2id$v=19$m=64,t=2,p=2$MDEyMzQ1Njc4OWFiYw$Es+/fRYS9v+Q/nrR9hpT9IJ/TuBig0DGugSFEa4",
    "bcrypt with filled spare bits, PHP 8.2": "$2y$04$abcdefghijklmnopqrstuvCcVuVhEl4YEGwy7m32GvRI.slZPy0x3",
    "bcrypt of HMAC-SHA384, WordPress 6.8": "$wp$2y$04$GGECfh/p1zjdqSuFLd59MOuFetHCPjtyo1YRAL1cTbeIO3vVM8amq",
    "bcrypt-sha256 version 1, libpass 1.9": "$bcrypt-sha256$2b,4$tvLzWRI3hBffYJxQCXbHBe$qBMA4ocLv7tfHh1MnyZGAirBs.2K/9S",
    "bcrypt-sha256 version 2, libpass 1.9": "$bcrypt-sha256$v=2,t=2b,r=4$9L8Jgmx12PmmAgqBCinobe$7n4aSV3Gu6TISjBu9HKBnZOnGNF67hm",
    "phpass $P$, libpass 1.9": "$P$5WTBRC0W9FBgA7OpsfYK7WiJ/r/VNw0",
    "phpass $H$, libpass 1.9": "$H$5earCiLLSPXrbtz1DC3zHXgfwqr8IP1",
    "LDAP salted SHA-1, libpass 1.9": "{SSHA}taaugbmJxA2DKhmdBZw4PMEDFQclJCQk",
    "LDAP salted SHA-256, libpass 1.9": "{SSHA256}AeyOKR83QTsux7/uQq2KYZh3kySJp8B7fQCXQgr70ujvXYvxPkcoBQ==",
    "LDAP salted SHA-512, libpass 1.9": "{SSHA512}XcX73qD11TPsASxeOFCuXx0ER8RprmS3hLpgIs5jKqaAsydsaER1A5qjLDnopbBnPbgMp3Xg2NJzR9uXcraa878XgrB2rnVu",
    "LDAP PBKDF2 with SHA-256, libpass 1.9": "{PBKDF2-SHA256}1000$Q0hJiXHufc/Z27vX.p8zBg$JcTNl1uhw1yTe0o3mjqoVqC/3c2gy5jkLU2ftnro9Mk",
    "LDAP PBKDF2 with SHA-1, libpass 1.9": "{PBKDF2}1000$h3CutVZqLaU0Ruh9r7UWAg$bBLp29va.duu9qKxG7/FKF124ZA",
    "SHA-256-crypt, libxcrypt 4.4": "$5$saltsaltsalt$73iJ/rprdZUW89GnGcM2FSoJzwcfUzJEO7dlmtw3seB",
    "SHA-256-crypt with rounds, libxcrypt 4.4": "$5$rounds=1500$salt$JWLuGfVUO/a1RJdRj5SyIKY2XwxKNdqbyO2Q7W1fUD5",
    "SHA-512-crypt, libxcrypt 4.4": "{CRYPT}$6$saltsaltsaltsalt$r5wc4dah/Fh/3a1IVu62uzyqbBR.sh41iuQh4qCEVw6Ka801YTOlGEDY.AtzhLO7GYQ5MANjrAc9X8ScsNukY/",
    "SHA-512-crypt with rounds, libxcrypt 4.4": "$6$rounds=12000$saltsalt$1IVQNaK2Vwq0zIu0PbSPITXzljswu97fNxioiI.5nWzQuVtTBeLPtcDnzfL2C/dSNS2AuRzfZJiZkg1NtBKMy0",
    "bcrypt with Spring's prefix": "{bcrypt}$2b$04$rUIwWPG6BJhNlmIaidmVae3AYREqTEvBTg3XguRr4kZXPcZi0aRSK",
    "bcrypt with Dovecot's prefix": "{BLF-CRYPT}$2b$04$rUIwWPG6BJhNlmIaidmVae3AYREqTEvBTg3XguRr4kZXPcZi0aRSK",
    "argon2id with OpenLDAP's prefix": "{ARGON2}$argon2id$v=19$m=16,t=1,p=1$cF02EVRnhmtHr4XVwZkfqg$NzfEpamZK8Vii20EF1fsD2OCCuFTVJ4+b4Q5XcQjJCU",
}

#: Of their own passwords, by where they are published.
PUBLISHED = {
    "ASP.NET Core Identity version 2, PasswordHasherTest of dotnet/aspnetcore": (
        "my password",
        "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJg==",
    ),
    "ASP.NET Core Identity version 3, PasswordHasherTest of dotnet/aspnetcore": (
        "my password",
        "AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
    ),
    "ASP.NET Core Identity version 3 with SHA-512, PasswordHasherTest of dotnet/aspnetcore": (
        "my password",
        "AQAAAAIAAAD6AAAAIJbVi5wbMR+htSfFp8fTw8N8GOS/Sje+S/4YZcgBfU7EQuqv4OkVYmc4VJl9AGZzmRTxSkP7LtVi9IWyUxX8IAAfZ8v+ZfhjCcudtC1YERSqE1OEdXLW9VukPuJWBBjLuw==",
    ),
    "Firebase, README of firebase/scrypt": (
        "user1password",
        "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
    ),
    "Firebase, tests of supabase/auth": (
        "mytestpassword",
        "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw==$C0sHCg9ek77hsg==$zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw==",
    ),
    "Spring PBKDF2, reference of Spring Security": (
        "password",
        "{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc",
    ),
    "Spring scrypt, reference of Spring Security": (
        "password",
        "{scrypt}$e0801$8bWJaSu2IKSn9Z9kM+TPXfOc/9bdYSrN1oD9qfVThWEwdRTnO7re7Ei+fUZRJ68k9lTyuTeUp4of4g24hHnazw==$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=",
    ),
    "Keycloak pbkdf2, realm export of solo.io": (
        "password",
        r"""{"type": "password", "secretData": "{\"value\":\"RITBVPdh5pvXOa4JzJ5pZTE0rG96zhnQNmSsKCf83aU=\",\"salt\":\"drB9e5Smf3cbfUfF3FUerw==\",\"additionalParameters\":{}}", "credentialData": "{\"hashIterations\":27500,\"algorithm\":\"pbkdf2-sha256\",\"additionalParameters\":{}}"}""",
    ),
    "Keycloak argon2, realm export of solo.io": (
        "password",
        r"""{"type": "password", "secretData": "{\"value\":\"BruFLfFkjH/8erZ26NnrbkOrWiZuQyDRCHD9o0R6Scg=\",\"salt\":\"Cf9AYCE5pAbb4CKEF0GUTA==\",\"additionalParameters\":{}}", "credentialData": "{\"hashIterations\":5,\"algorithm\":\"argon2\",\"additionalParameters\":{\"hashLength\":[\"32\"],\"memory\":[\"7168\"],\"type\":[\"id\"],\"version\":[\"1.3\"],\"parallelism\":[\"1\"]}}"}""",
    ),
    "Drupal 7, example hashes of hashcat": ("hashcat", "$S$C33783772bRXEx1aCsvY.dqgaaSu76XmVlKrW9Qu8IQlvxHlmzLf"),
}

#: bcrypt reads 72 bytes and ignores the rest. Django's second form hashes the password first.
LONG_PASSWORD = "a" * 72 + " and what bcrypt never reads"
LONG_HASHES = {
    "bcrypt, Django 5.2": "bcrypt$$2b$04$37jI6frQ3MK7h14JpOTaZOPiFNa0ECehMHOY/zqaDJrKvySldjxum",
    "bcrypt, passlib 1.7.4": "$2b$04$8g6xXjPUbJv5Xe3zUg4EO.tpgXl4GjTcfCYiCQt4MBO4FC/O4i/hO",
    "bcrypt_sha256, Django 5.2": "bcrypt_sha256$$2b$04$wWn.kJEo6vYsaSg4aHI0WuqA/SuwX500TWR5leGPbfhlXKVHvt6ge",
}

#: Of `PASSWORD` with the default cost of each maker. Together they take about a second.
DEFAULT_HASHES = {
    "Django": "pbkdf2_sha256$1000000$6Zpi8yq3zPU6rPcUy9rk9F$3qAZf1Xwa4K61R4iOfIYVvDH5twtsJpRh81eT1Ti2Ds=",
    "Werkzeug": "scrypt:32768:8:1$AXow8yt5eWDcyyJh$74bd9a062febdc11681c39a5044d1f53c68ed3b82613e28aecc8d42c894a77a2bfb25a57e8afb6adfc291d1c113184f3357295cd75a56bf548e0f4ea3b569820",
}
